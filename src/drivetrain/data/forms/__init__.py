"""What the text that a model learns to write stands for: a form is a file named after it, and has a FORM.

Words are words in each; what is a form's own is which files it is read from, what makes it sound, and which files are made of it.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from drivetrain import extensions
from drivetrain.data.forms.base import Form
from drivetrain.errors import DataError

TEXT = "text"


def forms() -> dict[str, Form]:
    """All forms by name, here and in extensions."""
    found = {
        name: getattr(extensions.find("data.forms", name), "FORM", None)
        for name in extensions.names("data.forms")
    }
    return {name: form for name, form in found.items() if isinstance(form, Form)}


def form_named(name: Any) -> Form:
    """A form by its name, which may come from a bundle; that of any text where there is none of it."""
    module = extensions.find("data.forms", name) if isinstance(name, str) else None
    found = getattr(module, "FORM", None)
    return found if isinstance(found, Form) else forms()[TEXT]


def form_of_files(files: list[str], where: str) -> tuple[Form, list[str]]:
    """The form of the files of a folder by their names, and those that are of it. Raises DataError where there is none, or
    are files of several."""
    known = {extension: form for form in forms().values() for extension in form.extensions}
    mine = [(file, known.get(os.path.splitext(file)[1].lower())) for file in files]
    counts = Counter(form.name for _, form in mine if form)
    if not counts:
        raise DataError(
            "there are no texts in it.",
            where=where,
            fix=f"Name a folder of {', '.join(sorted(known))} files.",
        )
    if len(counts) > 1:
        told = " and ".join(f"{count:,} {form_named(name).things}" for name, count in sorted(counts.items()))
        raise DataError(f"there are {told} in it.", where=where, fix="Name a folder of one of them.")
    (name,) = counts
    return form_named(name), [file for file, form in mine if form and form.name == name]


def form_of_file(file: str) -> Form:
    """The form of a file by its name: any text where that says nothing."""
    extension = os.path.splitext(file)[1].lower()
    return next((form for form in forms().values() if extension in form.extensions), form_named(TEXT))


def form_of_text(form: Form, text: str) -> Form:
    """The form of a text that came as one: another where what is written there is of that."""
    return next((other for other in forms().values() if other.recognises(text)), form)
