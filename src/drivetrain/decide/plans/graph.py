"""How levers, columns and outcomes hang together: what is computed after what, and what moves what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drivetrain.decide.nodes.base import Node
from drivetrain.errors import UsageError, nearest


@dataclass(frozen=True, slots=True)
class Graph:
    """`nodes` in the order to compute them; `above`: name -> the names that it hangs on, near or far (itself not)."""

    nodes: tuple[Node, ...]
    above: Mapping[str, frozenset[str]]

    def needed(self, names: Iterable[str]) -> frozenset[str]:
        """These and all that they hang on."""
        found = set[str]()
        for name in names:
            found |= {name} | self.above.get(name, frozenset())
        return frozenset(found)


def graph(nodes: Mapping[str, Node], sources: Iterable[str]) -> Graph:
    """The graph of these nodes over `sources`: levers, columns, the period. Raises UsageError for an input that there isn't,
    and for a circle, which it names."""
    known = frozenset(sources)
    for name, node in nodes.items():
        for each in node.inputs:
            if each not in known and each not in nodes:
                fix = (
                    nearest(each, [*known, *nodes])
                    or f"There are {', '.join(sorted({*known, *nodes})[:12])}."
                )
                raise UsageError(f"nothing is called {each!r}.", where=f"models.{name}", fix=fix)
    order, above = list[Node](), dict[str, frozenset[str]]()
    done = set[str]()
    for start in nodes:
        path = [(start, iter(nodes[start].inputs))]
        while path:  # By hand: a chain may be longer than Python recurses.
            name, rest = path[-1]
            if name in done:
                path.pop()
                continue
            following = next((each for each in rest if each in nodes and each not in done), None)
            if following is None:
                done.add(name)
                inputs = nodes[name].inputs
                above[name] = frozenset(inputs).union(*(above.get(each, frozenset()) for each in inputs))
                order.append(nodes[name])
                path.pop()
                continue
            on_path = [each for each, _ in path]
            if following in on_path:
                circle = [*on_path[on_path.index(following) :], following]
                raise UsageError(
                    f"the models go in a circle: {' -> '.join(reversed(circle))}.", where=f"models.{following}",
                    fix="Take one of these arrows out.",
                )  # fmt: skip
            path.append((following, iter(nodes[following].inputs)))
    return Graph(tuple(order), above)
