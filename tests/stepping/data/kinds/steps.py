"""Columns of steps: whole numbers with spaces between them, where somebody says so."""

from __future__ import annotations

from stepping.codecs.steps import Steps

WORDS = ("steps",)


def told(seen, word):
    return seen.is_(WORDS[0], "steps, one after the other", Steps())


def values(column, codec, folder):
    return column.classes()


def cell_texts(codec, encoded, raw):
    return [f"{len(row)} steps" for row in encoded]
