"""Which handler takes which method and path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from drivetrain.serve.types import Refusal, Route

REMEMBERED, LONGEST = 1000, 500
"""Paths whose routes are remembered, and letters of one."""
_PLACE = re.compile(r"\{(\w+)\}")


class _Node:
    """One segment's choices: fixed texts, and patterns with places in the order in which they are tried."""

    __slots__ = ("fixed", "patterns", "routes")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node] = {}
        self.patterns: list[tuple[re.Pattern[str], _Node]] = []
        self.routes: dict[str, tuple[Route, tuple[str, ...]]] = {}


class Routes:
    """A tree of segments. Fixed text wins over places, a place with text around it ("{model}:predict") over a bare one."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Raises ValueError where two routes can't be told apart."""
        self.all = tuple(routes)
        self._matched: dict[tuple[str, str], tuple[Route, Mapping[str, str]]] = {}
        self._root = _Node()
        for route in self.all:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.pattern.strip("/").split("/"):
            if "{" not in segment:
                node = node.fixed.setdefault(segment, _Node())
                continue
            texts = _PLACE.split(segment)[::2]
            # A place takes no ":" (TensorFlow Serving's verbs follow it), so a name with one never hides a verb.
            pattern = re.compile("([^/:]+)".join(re.escape(text) for text in texts))
            for known, child in node.patterns:
                if known.pattern == pattern.pattern:
                    node = child
                    break
            else:
                child = _Node()
                node.patterns.append((pattern, child))
                node.patterns.sort(key=lambda pair: -len(pair[0].pattern))
                node = child
        if route.method in node.routes:
            raise ValueError(f"{route.method} {route.pattern} is two routes")
        node.routes[route.method] = (route, tuple(_PLACE.findall(route.pattern)))

    def match(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """The route of a percent-decoded path, and what its places hold. HEAD is GET's. Raises Refusal 404 or 405."""
        found = self._matched.get((method, path))
        if found is None:
            found = self._match(method, path)
            if len(self._matched) >= REMEMBERED:
                self._matched.clear()
            if len(path) <= LONGEST:
                self._matched[method, path] = found
        return found

    def _match(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        found = self._walk(self._root, path[1:].split("/"), 0) if path.startswith("/") else None
        if found is None:
            raise Refusal(404, "there is no such address here", fix="GET /openapi.json lists what there is.")
        node, values = found
        chosen = node.routes.get(method) or (node.routes.get("GET") if method == "HEAD" else None)
        if chosen is None:
            takes = ", ".join(self._takes(node))
            raise Refusal(
                405, f"this address doesn't take {method}", fix=f"It takes {takes}.", headers={"Allow": takes}
            )
        route, names = chosen
        return route, dict(zip(names, values))

    def allowed(self, path: str) -> list[str]:
        """The methods that an address takes; empty where there is no such address."""
        found = self._walk(self._root, path[1:].split("/"), 0)
        return self._takes(found[0]) if found else []

    def _takes(self, node: _Node) -> list[str]:
        return sorted({*node.routes, "OPTIONS"} | ({"HEAD"} if "GET" in node.routes else set()))

    def _walk(self, node: _Node, segments: list[str], at: int) -> tuple[_Node, list[str]] | None:
        if at == len(segments):
            return (node, []) if node.routes else None
        fixed = node.fixed.get(segments[at])
        if fixed is not None:
            found = self._walk(fixed, segments, at + 1)
            if found is not None:
                return found
        for pattern, child in node.patterns:
            match = pattern.fullmatch(segments[at])
            if match is not None:
                found = self._walk(child, segments, at + 1)
                if found is not None:
                    return found[0], [*match.groups(), *found[1]]
        return None
