"""Texts in another language or script than the others, and texts whose bytes were read in a wrong encoding.

A text is of the script that most of its letters are of. A text in Latin letters is of the language whose small words it has most
of, where these are many and those of each other language few: a text that can't be told is of none. Nothing is asked of a
model, and nothing of the web.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from drivetrain.data.faults import Fault
from drivetrain.data.table import Table
from drivetrain.figures import counted

_SMALL = {
    "English": "the and of to is that it with was for this are you not have but they his her from at by we my an be on so what",
    "German": "der die das und ist nicht ein eine ich zu mit den von sich auf für auch es dem wird sind im bei wie aus wir nach",
    "French": "le la les et est des une dans que qui pour pas du au je ce il sur avec elle nous vous sont mais cette plus très",
    "Spanish": "el la los las y es una que por con para no del se lo como pero muy más su al este son está todo mi ya hay",
    "Italian": "il di che è la per non una sono del con si della le ho lo gli ma più questo come molto anche nel alla mi perché",
    "Portuguese": "o a os as e é um uma que não para com do da em por se mais como muito mas ao dos foi são este meu isso você",
    "Dutch": "de het een en van is niet dat ik op te met voor zijn aan er maar om ook als bij naar heb dit deze was wordt heel",
    "Polish": "i w nie na się z jest to że do jak ale po tak co od za są był być tylko już dla bardzo przez ten mnie",
    "Swedish": "och att det som en är på för med inte av den till jag har ett om men så de var från vi kan också mycket",
    "Danish or Norwegian": "og det som en er på for med ikke av af den til jeg har et om men så de var fra vi kan også meget",
    "Turkish": "ve bir bu için çok da de ne ile ama gibi daha olarak var en kadar ben sonra mi o değil her şey",
    "Indonesian": "yang dan di ini itu dengan untuk tidak dari dalam akan pada juga saya ke karena ada bisa sangat adalah",
}  # fmt: skip
_LANGUAGES: dict[str, frozenset[str]] = {name: frozenset(words.split()) for name, words in _SMALL.items()}
_OF_WORD: dict[str, tuple[str, ...]] = {
    word: tuple(name for name, words in _LANGUAGES.items() if word in words)
    for words in _LANGUAGES.values()
    for word in words
}
_FEWEST, _SHARE, _TIMES = 4, 0.15, 2.5
"""A text is of a language with so many different small words of it, which are this share of its words and so many times those
of any other language."""
_MANY = 0.01
"""A smaller share of texts in another language is told, and no fault."""
_LOOKED = 2000
"""Characters of a text that say what it is in."""
_WORD = re.compile(r"[^\W\d_]+")
_LETTERS = 10
"""Fewer of another script are a name, or an emoticon."""
_SCRIPTS = (
    "LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "DEVANAGARI", "BENGALI", "TAMIL",
    "TELUGU", "THAI", "ARMENIAN", "GEORGIAN", "ETHIOPIC", "KHMER", "LAO", "MYANMAR", "SINHALA", "GUJARATI", "GURMUKHI", "KANNADA",
    "MALAYALAM",
)  # fmt: skip
_CALLED = {"HIRAGANA": "Japanese", "KATAKANA": "Japanese", "CJK": "Chinese or Japanese"}

# How UTF-8 looks where it was read as Windows-1252: a first byte, then one of those that only follow. Of all such pairs these
# alone are never written: accented Latin letters, signs and quotes, runs of Cyrillic or Greek, emoji, and marks at the start.
_FOLLOWS = "".join(
    bytes([code]).decode("cp1252", "replace").replace("\ufffd", chr(code)) for code in range(0x80, 0xC0)
)
_ANY = f"[{re.escape(_FOLLOWS)}]"
_MISREAD = re.compile(
    f"\u00c3{_ANY}|\u00c2[\u00a0-\u00bf]|\u00e2[\u20ac\u201a\u201e\u2020\u02c6\u02dc\u2122]{_ANY}|(?:[\u00d0\u00d1\u00ce\u00cf]{_ANY}){{3}}"
    f"|\u00f0\u0178{_ANY}{{2}}|\u00ef\u00bb\u00bf|\u00ef\u00bf\u00bd"
)
_LOST = "\ufffd"


def check_languages(table: Table, texts: Sequence[str]) -> list[Fault]:
    """What is wrong with the languages and the encodings of texts."""
    return [*_mixed(table, texts), *_misread(table, texts)]


def _mixed(table: Table, texts: Sequence[str]) -> Iterator[Fault]:
    found = [language(text) for text in texts]
    counts = Counter(name for name in found if name)
    if len(counts) < 2:
        return
    ((most, _), *others) = counts.most_common()
    rows = [row for row, name in enumerate(found) if name not in ("", most)]
    told = ", ".join(f"{name} {count:,}" for name, count in others[:5])
    message = f"Texts in another language than {most}, which most are in: {counted(len(rows), 'text', 'texts')} ({told})."
    where = [f"{table.origin(row)}: {found[row]}" for row in rows]
    fix = (
        "Leave them out, or see that there are enough of each language: words of one say nothing of another."
    )
    severity = "warning" if len(rows) >= _MANY * len(texts) else "note"
    yield Fault("mixed languages", severity, message, where, fix)


def language(text: str) -> str:
    """The language of a text by its small words, or its script where that isn't Latin; empty where it can't be told."""
    text = text[:_LOOKED]
    if not text.isascii() and (script := _script(text)) != "LATIN":
        return _CALLED.get(script, script.capitalize())
    words = Counter(_WORD.findall(text.lower()))
    hits: Counter[str] = Counter()
    different: Counter[str] = Counter()
    for word, count in words.items():
        for name in _OF_WORD.get(word, ()):
            hits[name] += count
            different[name] += 1
    if not hits:
        return ""
    ((name, count), (_, second)) = [*hits.most_common(2), ("", 0)][:2]
    sure = different[name] >= _FEWEST and count >= _SHARE * words.total() and count >= _TIMES * second
    return name if sure else ""


def _script(text: str) -> str:
    """The script of most letters beyond ASCII and in it; empty where there are few."""
    counts: Counter[str] = Counter()
    for letter, count in Counter(text).items():
        if letter.isalpha():
            counts[_script_of(letter)] += count
    if counts["HIRAGANA"] + counts["KATAKANA"]:  # Japanese has both, among Chinese signs.
        counts["HIRAGANA"] += counts.pop("KATAKANA", 0) + counts.pop("CJK", 0)
    ((script, count), *_) = [*counts.most_common(1), ("LATIN", 0)]
    return script if count >= _LETTERS or script == "LATIN" else ""


def _script_of(letter: str) -> str:
    if letter.isascii():
        return "LATIN"
    name = unicodedata.name(letter, "").partition(" ")[0]
    return name if name in _SCRIPTS else "LATIN"


def _misread(table: Table, texts: Sequence[str]) -> Iterator[Fault]:
    rows = [row for row, text in enumerate(texts) if not text.isascii() and _MISREAD.search(text)]
    if rows:
        seen: re.Match[str] = _MISREAD.search(texts[rows[0]])  # type: ignore[assignment]
        message = f"Texts that were read in a wrong encoding ({_shown(seen)}): {counted(len(rows), 'text', 'texts')}."
        fix = "Export them again as UTF-8: such words are other words to a model."
        yield Fault("wrong encoding", "warning", message, [table.origin(row) for row in rows], fix)
    lost = [row for row, text in enumerate(texts) if _LOST in text]
    if lost:
        message = f"Texts with characters that were lost ({_LOST}): {counted(len(lost), 'text', 'texts')}."
        fix = "Export them again as UTF-8."
        yield Fault("lost characters", "warning", message, [table.origin(row) for row in lost], fix)


def _shown(seen: re.Match[str]) -> str:
    """What stands there, and what was meant."""
    meant = bytes(_byte(letter) for letter in seen[0]).decode("utf-8", "ignore")
    return f"{seen[0]!r} for {meant!r}" if meant.strip() and meant != _LOST else repr(seen[0])


def _byte(letter: str) -> int:
    return ord(letter) if ord(letter) < 256 else letter.encode("cp1252")[0]
