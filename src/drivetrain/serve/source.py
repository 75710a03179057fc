"""Where bundles come from: a folder or file of this machine, or an address."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from drivetrain.errors import FileError
from drivetrain.model_names import BUNDLE, is_url, is_version, name_of, place_of
from drivetrain.serve.fetch import Remote
from drivetrain.serve.layout import MANIFEST, Found, Listing, files_below, models_in, one_file
from drivetrain.serve.settings import Settings


class Source(Protocol):
    alone: bool
    """Whether it is one bundle, and not a folder of them."""

    def listing(self) -> Listing:
        """What is there now. Raises FileError where it can't be told."""
        ...

    def local(self, found: Found) -> Path:
        """The file or folder of a version on this machine. Raises DrivetrainError where it can't be had."""
        ...


class Local:
    """A bundle or a folder. `name` is that of the one model that it is, where the settings name one."""

    def __init__(self, path: str, name: str = "") -> None:
        self.root = Path(path)
        at = str(self.root.absolute())
        # A file that is called by its version has its model's name above it.
        called = not name and is_version(self.root.name.removesuffix(BUNDLE))
        self.name = name or name_of(at)
        self.place = place_of(at) if called else (self.name, 1)
        self.alone = False

    def listing(self) -> Listing:
        if self.root.is_dir():
            files, faults = files_below(self.root)
            self.alone = MANIFEST in files
            return models_in(files, faults, self.name)
        self.alone = True
        return one_file(self.root, *self.place)

    def local(self, found: Found) -> Path:
        if not found.path:
            return self.root
        # What a link leads to is what is opened; since it was found it may have been turned elsewhere.
        path = (self.root / found.path).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise FileError("this is a link that leads out of the repository.", fix="Copy the bundle there.")
        return path


class OneModel:
    """A source that the settings give to one model: nothing else of it is taken."""

    def __init__(self, source: Source, name: str) -> None:
        self.source, self.name = source, name
        self.alone = False

    def listing(self) -> Listing:
        listing = self.source.listing()
        found = listing.found
        if {*found} - {self.name}:
            raise FileError(
                "this is no folder of versions, but of models.", where=f"models.{self.name}", fix="Name one of the folders in it."
            )  # fmt: skip
        return listing

    def local(self, found: Found) -> Path:
        return self.source.local(found)


def source_of(path: str, name: str = "") -> Source:
    return Remote(path, name) if is_url(path) else Local(path, name)


def sources_of(settings: Settings) -> dict[str, Source]:
    """By name: those of models that have a path of their own, and as "" that of all the others."""
    own: dict[str, Source] = {
        name: OneModel(source_of(model.path, name), name)
        for name, model in settings.models.items()
        if model.path
    }
    return {"": source_of(settings.path), **own} if settings.path else own
