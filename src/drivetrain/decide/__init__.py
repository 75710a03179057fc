"""From a model to what to do: objective, levers, data and models -> simulator -> optimiser -> a decision and how sure it is."""

from drivetrain.lazily import attributes

_MODULES: dict[str, str] = {
    "Thompson": "drivetrain.decide.explore",
    "epsilon_greedy": "drivetrain.decide.explore",
}
__all__ = [*_MODULES]  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__ = attributes(__name__, _MODULES)
