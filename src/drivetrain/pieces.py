"""Texts, cleaned and cut into pieces, of which a tokenizer makes tokens. The exact semantics, for other languages, are in
codecs/OPS.md under tokens@1.

A text is cut by what its characters are (their Unicode categories), and never by a pattern that runtimes read differently.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Collection

LONGEST_PIECE = 128
"""Characters; what is longer is cut after each so many, or a text without spaces would be one piece of megabytes."""
REPLACEMENT = "\ufffd"
_BREAK = "\0"
"""Between pieces: no cleaned text has it."""
_UNSOUND = re.compile("[\ud800-\udfff\0]")
_WITHIN = re.compile("(?<=[^\0 ])\0(['_\u2019])\0(?=[^\0 ])")
_MANY_MARKS = re.compile("(?<=m{32})m+")
_TAG = re.compile(r"<[A-Za-z/!?][^<>]*>")
_REFERENCE = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9A-Fa-f]{1,6})|(amp|lt|gt|quot|apos|nbsp));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "nbsp": "\u00a0"}


def lower(text: str) -> str:
    """Each character in lower case by itself, where that is one character: neither a language nor its neighbours matter."""
    # Python's lower() looks at neighbours for the final sigma only, and makes two characters of this I alone.
    return "\u0130".join(part.lower() for part in text.replace("\u03a3", "\u03c3").split("\u0130"))


class _Mapping(dict[int, str]):
    """Code point -> what a character becomes, found when it is first met: what `str.translate` asks."""

    def __init__(self, become: Callable[[str], str]) -> None:
        super().__init__()
        self.become = become

    def __missing__(self, code: int) -> str:
        self[code] = found = self.become(chr(code))
        return found


def _is_sign(character: str) -> bool:
    """Whether it is neither white space nor of a word: no letter, mark, number or format character."""
    category = unicodedata.category(character)
    return not (character.isspace() or category[0] in "LMN" or category == "Cf")


def _of_words(character: str) -> str:
    if character.isspace() or unicodedata.category(character) == "Cf":
        return _BREAK if character.isspace() else ""
    return _BREAK + character + _BREAK if _is_sign(character) else character


def _of_stretches(character: str) -> str:
    if character == " ":
        return _BREAK + character
    return _BREAK + character + _BREAK if character.isspace() or _is_sign(character) else character


def _without_sign(character: str) -> str:
    return " " if unicodedata.category(character)[0] in "PS" else character


_MARKS = _Mapping(lambda character: "m" if unicodedata.combining(character) else " ")
_WORDS, _STRETCHES, _UNSIGNED = _Mapping(_of_words), _Mapping(_of_stretches), _Mapping(_without_sign)
_LINES = _Mapping(lambda character: _BREAK + "\n" + _BREAK if character == "\n" else _of_words(character))


def words(text: str, lines: bool = False) -> list[str]:
    """The words of a cleaned text, and each sign by itself; with `lines` also each end of a line."""
    return _pieces(text.translate(_LINES if lines else _WORDS))


def stretches(text: str) -> list[str]:
    """All of a cleaned text, cut: a word with the space before it, each sign and each other white space by itself."""
    return _pieces(text.translate(_STRETCHES))


def spaced_words(text: str) -> list[str]:
    """The same, but that an apostrophe or an underscore between two letters is no sign: don't and Moe_Szyslak are words."""
    return _pieces(_WITHIN.sub(r"\1", text.translate(_STRETCHES)))


def _pieces(text: str) -> list[str]:
    found = [piece for piece in text.split(_BREAK) if piece]
    if len(max(found, key=len, default="")) <= LONGEST_PIECE:
        return found
    return [
        piece[start : start + LONGEST_PIECE]
        for piece in found
        for start in range(0, len(piece), LONGEST_PIECE)
    ]


def _referred(found: re.Match[str]) -> str:
    if found[3]:
        return _NAMED[found[3]]
    code = int(found[1]) if found[1] else int(found[2], 16)
    return chr(code) if code <= sys.maxunicode else REPLACEMENT


def _with_few_marks(text: str) -> str:
    """Without what follows the first 32 of marks in a row: to compose a million of them takes hours."""
    kept: list[str] = []
    end = 0
    for many in _MANY_MARKS.finditer(text.translate(_MARKS)):
        kept.append(text[end : many.start()])
        end = many.end()
    return "".join([*kept, text[end:]])


def clean(
    text: str,
    html: bool = False,
    case: bool = False,
    accents: bool = False,
    signs: bool = False,
    stop_words: Collection[str] = (),
) -> str:
    """The text without what is to be taken off it. What no tokenizer can have always goes: halves of characters and NUL become
    U+FFFD, the end of each line is one line feed, and characters are composed (Unicode's normal form C)."""
    if html:
        text = _REFERENCE.sub(_referred, _TAG.sub(" ", text))
    text = _UNSOUND.sub(REPLACEMENT, text).replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        text = _with_few_marks(text)
    if case:
        text = lower(text)
    if accents:
        text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    if signs:
        text = text.translate(_UNSIGNED)
    text = unicodedata.normalize("NFC", text)
    if stop_words:
        text = "".join(piece for piece in stretches(text) if piece.lstrip(" ") not in stop_words)
    return text
