"""Every source of chance in training, seeded by the run and kept in its checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class Generators:
    """`shuffle` orders the batches, `augment` draws augmentation, torch's own generator of the device draws dropout.

    The first two are on the CPU, so that a GPU never waits for them. `states` gives what a checkpoint keeps; the
    state of `shuffle` is the one from the start of the epoch, from which its order is made again.
    """

    def __init__(self, seed: int, torch_state: Tensor, device: torch.device) -> None:
        self.shuffle = torch.Generator().manual_seed(seed + 1)
        self.augment = torch.Generator().manual_seed(seed + 2)
        self.device = device
        self._torch_state = torch_state
        self._cuda_state = torch.Generator(device).manual_seed(seed).get_state() if self._on_gpu else None
        self._epoch_start = self.shuffle.get_state()
        self._inside = False

    def start_epoch(self, resumed: bool) -> None:
        """Before the order of an epoch is drawn: remember the state, or take up the one remembered."""
        if resumed:
            self.shuffle.set_state(self._epoch_start)
        else:
            self._epoch_start = self.shuffle.get_state()

    @contextmanager
    def for_torch(self) -> Iterator[None]:
        """Torch's own generators follow the run inside, and are given back as they were."""
        with torch.random.fork_rng(devices=[self.device] if self._on_gpu else []):
            torch.set_rng_state(self._torch_state)
            if self._cuda_state is not None:
                torch.cuda.set_rng_state(self._cuda_state, self.device)
            self._inside = True
            try:
                yield
            finally:
                self._keep_state()
                self._inside = False

    @property
    def _on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def _keep_state(self) -> None:
        self._torch_state = torch.get_rng_state()
        if self._on_gpu:
            self._cuda_state = torch.cuda.get_rng_state(self.device)

    def states(self, in_epoch: bool) -> dict[str, Tensor]:
        """The state of each generator by name. `in_epoch`: some batches of the epoch are done."""
        if self._inside:
            self._keep_state()
        states = {
            "shuffle": self._epoch_start if in_epoch else self.shuffle.get_state(),
            "augment": self.augment.get_state(),
            "torch": self._torch_state.clone(),
        }
        return states if self._cuda_state is None else {**states, "cuda": self._cuda_state.clone()}

    def restore(self, states: Mapping[str, Tensor]) -> None:
        """Take up what `states` gave. Outside of `for_torch`."""
        self._epoch_start = states["shuffle"]
        self.shuffle.set_state(states["shuffle"])
        self.augment.set_state(states["augment"])
        self._torch_state = states["torch"]
        if "cuda" in states and self._on_gpu:
            self._cuda_state = states["cuda"]
