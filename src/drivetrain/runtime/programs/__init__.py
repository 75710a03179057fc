"""What is done with the graphs of a bundle, by the name of its program: one file each."""

from __future__ import annotations

from drivetrain.bundle.program import Forecast, Generate
from drivetrain.bundle.reader import Bundle
from drivetrain.bundle.verify import VerifyReport
from drivetrain.runtime.programs import forecast, proof, single


def verified(bundle: Bundle) -> VerifyReport:
    """The report of a bundle's golden cases in this runtime. Raises BundleError where a graph makes no session."""
    if isinstance(bundle.program, Forecast):
        return forecast.verified(bundle)
    return (proof if isinstance(bundle.program, Generate) else single).verified(bundle)
