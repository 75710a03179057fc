"""What is to run elsewhere: the models, what they need installed, and what the image is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from drivetrain.bundle import Bundle, open_bundle
from drivetrain.bundle.archive import write_zip
from drivetrain.errors import DataError, UsageError
from drivetrain.files import file_error
from drivetrain.serve.load_settings import load_settings
from drivetrain.serve.source import source_of

HTTP, GRPC = 8000, 8001
IMAGE = "drivetrain-server:latest"
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]{0,254}")
_EXTRAS: Mapping[str, str] = {"subwords": "text", "audio": "sound"}
"""Kind of column -> the extra of ours that reading it takes."""


@dataclass(frozen=True)
class Deployed:
    """One version of one model."""

    name: str
    version: int
    bundle: Bundle

    @property
    def path(self) -> str:
        """Where it lies in a repository, with slashes."""
        return f"{self.name}/{self.version}/{self.name}.bundle"

    @cached_property
    def packed(self) -> bytes:
        """The bundle as one file: made once, however many systems are written for."""
        return write_zip({name: bytes(view) for name, view in self.bundle.members.items()})


@dataclass(frozen=True)
class Plan:
    """The models, the image's name, and the settings that go with them."""

    models: tuple[Deployed, ...]
    image: str = IMAGE
    config: str = ""
    """The text of serve.toml; "" for none."""

    @property
    def name(self) -> str:
        """What a service of it is called: letters, digits and "-" alone, as DNS has it."""
        last = self.image.rpartition("/")[2].partition(":")[0]
        return re.sub(r"[^a-z0-9]+", "-", last).strip("-")[:50].strip("-") or "drivetrain"

    @property
    def extras(self) -> tuple[str, ...]:
        """The extras of ours that the server needs: its own, and those that reading the models' inputs takes."""
        codecs = [
            codec
            for model in self.models
            for codec in (*model.bundle.signature.inputs.values(), *model.bundle.signature.targets.values())
        ]
        found = {_EXTRAS.get(codec.op.partition("@")[0], "serve") for codec in codecs}
        return ("serve", *sorted(found - {"serve"}))


def planned(path: str, image: str = IMAGE, config: str | None = None) -> Plan:
    """The plan for a bundle, or a repository MODELS/NAME/VERSION/. Raises UsageError, DataError, FileError, BundleError."""
    if not _IMAGE.fullmatch(image):
        raise UsageError(
            f"{image!r} is no name of an image.",
            where="--image",
            fix="Give one such as registry.example.org/flowers:1.",
        )
    text = ""
    if config:
        load_settings(config, path=path)
        try:
            text = Path(config).read_text()
        except OSError as fault:
            raise file_error(fault, config) from fault
    source = source_of(path)
    listing = source.listing()
    models = [
        Deployed(name, version, open_bundle(source.local(found)))
        for name, versions in listing.found.items()
        for version, found in versions.items()
    ]
    if not models:
        raise DataError(
            "there is no bundle in it.",
            where=path,
            fix="Give a bundle, or a folder NAME/VERSION/ of bundles.",
        )
    return Plan(tuple(models), image, text)
