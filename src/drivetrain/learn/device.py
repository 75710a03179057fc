"""The device that a training runs on."""

from __future__ import annotations

import torch

from drivetrain.errors import UsageError


def device_named(name: str | torch.device) -> torch.device:
    """A device that is there. Raises UsageError."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as fault:
        raise UsageError(
            f"the device {str(name)!r} can't be used: {str(fault).splitlines()[0]:.80}.", where="device",
            fix="Leave it out, or say cpu or cuda.",
        ) from fault  # fmt: skip
    return device
