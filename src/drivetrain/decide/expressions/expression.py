"""Expressions of outcomes and levers, in a grammar of a few lines: read into a tree, never run as Python.

    either   = both {"or" both}            both     = denied {"and" denied}      denied  = ["not"] compared
    compared = sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum]
    sum      = product {("+" | "-") product}                 product = signed {("*" | "/") signed}
    signed   = {"+" | "-"} power                             power   = atom [("^" | "**") signed]
    atom     = number | 'text' | name | function "(" either {"," either} ["|" either] ")" | "(" either ")"

A name is letters, digits, `_` and dots, or anything between backquotes. What follows a bar is the condition on the rows of a
function over rows: `mean(price | region == 'north')`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from drivetrain.errors import UsageError, nearest
from drivetrain.figures import counted

LONGEST, DEEPEST = 10_000, 40
LONG_CHAIN = 64
"""Operators in a row from which on they are joined in pairs, and not from left to right."""
"""Signs of an expression, and how deep it may nest."""
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<text>'[^']*'|\"[^\"]*\")|(?P<name>[^\W\d]\w*(?:\.\w+)*)"
    r"|`(?P<quoted>[^`]+)`|(?P<sign>\*\*|<=|>=|==|!=|[-+*/^<>(),|]))"
)
PERIOD = "t"
"""What the period is called."""
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
WORDS = ("and", "or", "not")
BY_ROW = ("sum", "mean", "share", "count", "smallest", "largest")
"""Functions over the rows."""
FUNCTIONS = {
    "exp": 1, "log": 1, "log1p": 1, "sqrt": 1, "abs": 1, "floor": 1, "ceil": 1, "round": 1, "sigmoid": 1, "tanh": 1,
    "normal_cdf": 1,
    "min": 2, "max": 2, "clip": 3, "if": 3,
}  # fmt: skip
"""The others, with how many things each takes; min and max take more too."""


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator of its arguments; `over` is the condition of one over rows."""

    function: str
    arguments: tuple[Tree, ...]
    over: Tree | None = None
    at: int = 0

    @property
    def children(self) -> tuple[Tree, ...]:
        return self.arguments if self.over is None else (*self.arguments, self.over)


Tree = Number | Text | Name | Call


@dataclass(frozen=True)
class Expression:
    """A text and the tree that it was read into."""

    text: str
    tree: Tree = field(repr=False, compare=False)

    @cached_property
    def parts(self) -> list[Tree]:
        """The tree's parts, in the order to compute them."""
        return parts(self.tree)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What it is made of, each once, in the order of the text."""
        return tuple(dict.fromkeys(part.name for part in self.parts if isinstance(part, Name)))

    def __str__(self) -> str:
        return self.text


def parts(tree: Tree) -> list[Tree]:
    """All that a tree is made of and at last itself: each object once, after what it is made of, from left to right. By hand:
    a sum of thousands is deeper than Python recurses."""
    found, seen = list[Tree](), set[int]()
    waiting: list[tuple[Tree, bool]] = [(tree, False)]
    while waiting:
        part, opened = waiting.pop()
        if id(part) in seen:
            continue
        if opened or not isinstance(part, Call):
            seen.add(id(part))
            found.append(part)
        else:
            waiting.append((part, True))
            waiting += [(each, False) for each in reversed(part.children)]
    return found


def over_rows(tree: Tree) -> bool:
    """Whether a function over rows is in it."""
    return any(isinstance(part, Call) and part.function in BY_ROW for part in parts(tree))


def rebuilt(tree: Tree, change: Callable[[Tree], Tree]) -> Tree:
    """The tree with each part changed, from the leaves up. What is unchanged, or used several times, stays one object."""
    made = dict[int, Tree]()
    for part in parts(tree):
        new = part
        if isinstance(part, Call):
            arguments = tuple(made[id(each)] for each in part.arguments)
            over = None if part.over is None else made[id(part.over)]
            if over is not part.over or any(a is not b for a, b in zip(arguments, part.arguments)):
                new = Call(part.function, arguments, over, part.at)
        made[id(part)] = change(new)
    return made[id(tree)]


def substituted(tree: Tree, by: Mapping[str, Tree]) -> Tree:
    """The tree with others in the place of names."""
    return rebuilt(tree, lambda part: by.get(part.name, part) if isinstance(part, Name) else part)


def parse(text: str, *, where: str = "") -> Expression:
    """The expression that a text says. Raises UsageError that points at what isn't understood."""
    if len(text) > LONGEST:
        raise UsageError(
            f"an expression of {len(text):,} signs.", where=where, fix=f"{LONGEST:,} are the most."
        )
    reading = _Reading(text, where)
    tree = reading.either(0)
    if reading.kind != "end":
        raise reading.fault(f"{reading.word!r} isn't expected here.")
    return Expression(text.strip(), tree)


def _paired(words: Sequence[str], first: Tree, rest: Sequence[tuple[str, Tree, int]]) -> Tree:
    """A chain of operators as a tree that is as deep as its logarithm: what looks through trees goes down part by part. a - b is
    a + -b, and what is divided by is multiplied first."""
    joins, undoes = words[0], [*words[1:]]
    kept = [first, *(part for word, part, _ in rest if word == joins)]
    undone = [(part, at) for word, part, at in rest if word in undoes]
    if joins == "+":
        kept = [first] + [
            part if word == joins else Call("negative", (part,), at=at) for word, part, at in rest
        ]
        undone = []
    at = rest[0][2]

    def joined(parts: list[Tree]) -> Tree:
        while len(parts) > 1:
            pairs = [Call(joins, (a, b), at=at) for a, b in zip(parts[::2], parts[1::2])]
            parts = [*pairs, *parts[2 * len(pairs) :]]
        return parts[0]

    if not undone:
        return joined(kept)
    return Call("/", (joined(kept), joined([part for part, _ in undone])), at=undone[0][1])


class _Reading:
    """Where in the text the reader is: the next word, and its kind: number, text, name, quoted, sign, end."""

    def __init__(self, text: str, where: str) -> None:
        self.text, self.where = text, where
        self.at = self.after = 0
        self.kind = self.word = ""
        self.next()

    def next(self) -> None:
        found = _TOKEN.match(self.text, self.after)
        if found is None:
            self.at = len(self.text) - len(self.text[self.after :].lstrip())
            self.kind, self.word = "end", ""
            if self.at < len(self.text):
                raise self.fault(f"{self.text[self.at]!r} isn't part of an expression.")
            return
        self.kind = str(found.lastgroup)
        self.word, self.at, self.after = found[self.kind], found.start(self.kind), found.end()

    def fault(
        self, error: str, fix: str = "", *, at: int | None = None, word: str | None = None
    ) -> UsageError:
        """Some of the text, with what it is about between arrows: the word that is read, unless it is said."""
        at = self.at if at is None else at
        length = len(self.word if word is None else word)
        begin, end = max(at - 30, 0), at + max(length, 1)
        shown = f"{self.text[begin:at]}»{self.text[at:end]}«{self.text[end : end + 30]}"
        return UsageError(f"{error} In: {shown}", where=self.where, fix=fix)

    def takes(self, *words: str) -> str:
        """The word, if it is one of these, and go on behind it; else ""."""
        word = self.word
        if self.kind in ("sign", "name") and word in words:
            self.next()
            return word
        return ""

    def deeper(self, depth: int) -> int:
        if depth >= DEEPEST:
            raise self.fault(f"it is nested more than {DEEPEST} deep.")
        return depth + 1

    def chain(self, depth: int, below: Callable[[int], Tree], *words: str) -> Tree:
        first, at = below(depth), self.at
        rest = list[tuple[str, Tree, int]]()
        while word := self.takes(*words):
            rest.append((word, below(depth), at))
            at = self.at
        if len(rest) >= LONG_CHAIN:
            return _paired(words, first, rest)
        for word, part, at in rest:
            first = Call(word, (first, part), at=at)
        return first

    def either(self, depth: int) -> Tree:
        depth = self.deeper(depth)
        return self.chain(depth, self.both, "or")

    def both(self, depth: int) -> Tree:
        return self.chain(depth, self.denied, "and")

    def denied(self, depth: int) -> Tree:
        at = self.at
        if self.takes("not"):
            return Call("not", (self.denied(self.deeper(depth)),), at=at)
        return self.compared(depth)

    def compared(self, depth: int) -> Tree:
        left, at = self.sum(depth), self.at
        if word := self.takes(*COMPARISONS):
            left = Call(word, (left, self.sum(depth)), at=at)
            if self.kind == "sign" and self.word in COMPARISONS:
                raise self.fault("two comparisons in a row.", "Join them by `and`.")
        return left

    def sum(self, depth: int) -> Tree:
        return self.chain(depth, self.product, "+", "-")

    def product(self, depth: int) -> Tree:
        return self.chain(depth, self.signed, "*", "/")

    def signed(self, depth: int) -> Tree:
        at = self.at
        if word := self.takes("+", "-"):
            inner = self.signed(self.deeper(depth))
            return inner if word == "+" else Call("negative", (inner,), at=at)
        return self.power(depth)

    def power(self, depth: int) -> Tree:
        base, at = self.atom(depth), self.at
        if self.takes("^", "**"):
            return Call("^", (base, self.signed(self.deeper(depth))), at=at)
        return base

    def atom(self, depth: int) -> Tree:
        kind, word, at = self.kind, self.word, self.at
        if kind == "number":
            self.next()
            return Number(float(word))
        if kind == "text":
            self.next()
            return Text(word[1:-1])
        if kind == "quoted":
            self.next()
            return Name(word, at)
        if kind == "name" and word not in WORDS:
            self.next()
            return self.call(word, at, depth) if (self.kind, self.word) == ("sign", "(") else Name(word, at)
        if self.takes("("):
            found = self.either(depth)
            self.closes()
            return found
        raise self.fault("something is missing." if kind == "end" else f"{word!r} isn't expected here.")

    def closes(self) -> None:
        if not self.takes(")"):
            raise self.fault("a ) is missing.")

    def call(self, function: str, at: int, depth: int) -> Call:
        if function not in FUNCTIONS and function not in BY_ROW:
            fix = nearest(function, [*FUNCTIONS, *BY_ROW]) or f"There are {', '.join([*FUNCTIONS, *BY_ROW])}."
            raise self.fault(f"there is no function {function!r}.", fix, at=at, word=function)
        self.next()
        arguments, over = list[Tree](), None
        if (self.kind, self.word) != ("sign", ")"):
            arguments.append(self.either(depth))
            while self.takes(","):
                arguments.append(self.either(depth))
            if function in BY_ROW and self.takes("|"):
                over = self.either(depth)
        self.closes()
        least = 0 if function == "count" else FUNCTIONS.get(function, 1)
        most = {"min": LONGEST, "max": LONGEST, "count": 1}.get(function, least)
        if not least <= len(arguments) <= most:
            wanted = f"{least} or more things" if most == LONGEST else counted(most, "thing", "things")
            raise self.fault(f"{function} takes {wanted}, not {len(arguments)}.", at=at, word=function)
        return Call(function, tuple(arguments), over, at)
