"""Metrics in Prometheus' text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def lines_of(name: str, metric: Metric, values: Mapping[tuple[str, ...], Sequence[float]]) -> Iterator[str]:
    """The lines of a metric, of its figures by the values of its labels; of a histogram how many fell into each bucket and beyond,
    and their sum."""
    yield f"# HELP {name} {metric.help}"
    yield f"# TYPE {name} {metric.kind}"
    if not values and not metric.labels:
        values = {(): [0.0]}
    for labels, figures in sorted(values.items()):
        words = [f'{label}="{_escaped(value)}"' for label, value in zip(metric.labels, labels)]
        if metric.kind != "histogram":
            yield f"{name}{_braces(words)} {_number(figures[0])}"
            continue
        so_far = 0.0
        for edge, count in zip((*map(_number, metric.buckets), "+Inf"), figures):
            so_far += count
            up_to = f'le="{edge}"'
            yield f"{name}_bucket{_braces([*words, up_to])} {_number(so_far)}"
        yield f"{name}_sum{_braces(words)} {_number(figures[-1])}"
        yield f"{name}_count{_braces(words)} {_number(so_far)}"


def _braces(words: Sequence[str]) -> str:
    return "{" + ",".join(words) + "}" if words else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
