"""`serve.toml` and the command line, read into `Settings`. A word that nobody knows is an error with the nearest that is known."""

from __future__ import annotations

import dataclasses
import math
import os
import re
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from drivetrain.errors import UsageError, nearest
from drivetrain.files import read_toml
from drivetrain.model_names import MOST_VERSION, SAFE_NAME, is_url, is_version
from drivetrain.serve.settings import Access, Batching, Kept, Key, Limits, ModelSettings, Settings

MOST_BYTES = 2**20
"""Of a file of settings."""
TABLES = ("server", "limits", "access", "defaults", "models")
RIGHTS = ("infer", "read", "admin")
_SERVER = ("path", "http", "grpc", "host", "workers", "threads", "reload_seconds", "records")
_Record = TypeVar("_Record")


def load_settings(config: str | os.PathLike[str] | None = None, **given: Any) -> Settings:
    """The settings of a server: those of the file, and over them those that were `given` (None: not given), by the names of
    `Settings`. A port is a number or False, for none.

    Raises FileError where the file can't be read, UsageError for a word, a type or a value that can't be meant.
    """
    where = "" if config is None else os.fspath(config)
    tables = read_toml(where, MOST_BYTES) if where else {}
    for name in tables:
        if name not in TABLES:
            raise UsageError(f"there is no table [{name}].", where=where, fix=_known(name, TABLES))
    here = _Place(where, Path(where).parent if where else Path())
    server = _section(tables, "server", here)
    for name in server:
        if name not in _SERVER:
            raise UsageError(f"there is no {name!r}.", where=here.at("server"), fix=_known(name, _SERVER))
    if isinstance(server.get("path"), str):
        server = {**server, "path": here.path(server["path"])}
    server = {**server, **{name: value for name, value in given.items() if value is not None}}
    server = {name: None if value is False else value for name, value in server.items()}
    defaults = _section(tables, "defaults", here)
    models = {
        name: _model(name, _nested(table, here, f"models.{name}"), defaults, here)
        for name, table in _section(tables, "models", here).items()
    }
    # A default path would make all models one; labels and shares are a model's own.
    for name in ("path", "labels", "traffic"):
        if name in defaults:
            raise UsageError(
                f"{name!r} is of one model alone.", where=here.at("defaults"), fix="Put it in [models.NAME]."
            )  # fmt: skip
    general = _model_settings(defaults, here, "defaults")
    settings = _built(
        Settings,
        {
            "path": "",
            **server,
            "limits": _built(Limits, _section(tables, "limits", here), here, "limits"),
            "access": _access(_section(tables, "access", here), here),
            "models": {name: _redacted_too(model, general) for name, model in models.items()},
            "defaults": general,
        },
        here,
        "server",
    )
    _check_server(settings, here)
    return settings


OTHERS = {
    "port": "http", "rest_api_port": "http", "http_port": "http", "grpc_port": "grpc", "model_base_path": "path",
    "processes": "workers", "certfile": "certificate", "keyfile": "private_key", "cors": "origins", "aliases": "labels",
}  # fmt: skip
"""What other servers call it -> what it is called here."""


@dataclasses.dataclass(frozen=True)
class _Place:
    """The file that is read, and the folder that its paths start from."""

    file: str
    folder: Path

    def at(self, *parts: str) -> str:
        return ", ".join(part for part in (self.file, ".".join(parts)) if part)

    def path(self, text: str) -> str:
        return text if is_url(text) or not text else str(self.folder / text)


def _known(name: str, known: typing.Iterable[str]) -> str:
    known = [*known]
    if (ours := OTHERS.get(name, "")) in known:
        return f"Did you mean {ours}?"
    return nearest(name, known) or f"Known are: {', '.join(known)}."


def _nested(table: Any, here: _Place, *place: str) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise UsageError(
            "this must be a table.", where=here.at(*place), fix=f"Write [{'.'.join(place)}] before its lines."
        )
    return cast("dict[str, Any]", table)


def _section(tables: Mapping[str, Any], name: str, here: _Place) -> dict[str, Any]:
    return _nested(tables.get(name, {}), here, name)


def _built(cls: type[_Record], table: Mapping[str, Any], here: _Place, *place: str) -> _Record:
    """A record of a class from a table: each name is one of its fields, each value of that field's type."""
    hints = typing.get_type_hints(cls)
    for name, value in table.items():
        if name not in hints:
            raise UsageError(f"there is no {name!r}.", where=here.at(*place), fix=_known(name, hints))
        if not _fits(value, hints[name]):
            raise UsageError(
                f"this must be {_words(hints[name])}, not {value!r:.60}.", where=here.at(*place, name)
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError("this must be a finite number.", where=here.at(*place, name))
        if isinstance(value, (int, float)) and value < 0:
            raise UsageError(f"this must be 0 or more, not {value}.", where=here.at(*place, name))
    given = {
        name: tuple(cast("list[Any]", value)) if isinstance(value, list) else value
        for name, value in table.items()
    }
    return cls(**given)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value of TOML is of a field's type. (`drivetrain.arguments` knows more types, and brings numpy.)"""
    origin, parts = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin is types.UnionType:
        return any(_fits(value, part) for part in parts)
    if origin is typing.Literal:
        return value in parts
    if origin is tuple:
        return isinstance(value, list | tuple) and all(
            _fits(one, parts[0]) for one in cast("list[Any]", value)
        )
    if origin is Mapping:
        return isinstance(value, dict) and all(_fits(one, parts[1]) for one in cast("dict[str, Any]", value).values())  # fmt: skip
    if origin in (int, float):
        return isinstance(value, (int, origin)) and not isinstance(value, bool)
    return isinstance(value, cast("type", origin))


def _words(hint: Any) -> str:
    origin, parts = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin is types.UnionType:
        return _words(next(part for part in parts if part is not type(None)))
    if origin is tuple:
        return f"a list, each {_words(parts[0])}"
    if origin is typing.Literal:
        return " or ".join(f'"{part}"' for part in parts)
    if origin is Mapping:
        return f"a table, each {_words(parts[1])}"
    known = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}
    return known.get(origin, "a table")


def _model(name: str, table: dict[str, Any], defaults: dict[str, Any], here: _Place) -> ModelSettings:
    place = f"models.{name}"
    if not SAFE_NAME.fullmatch(name):
        raise UsageError(
            f"a model can't be called {name!r}.", where=here.at(place),
            fix="Take letters, digits, dots, dashes and underscores, a letter or digit first.",
        )  # fmt: skip
    merged = {**defaults, **table}
    for part in ("batching", "records"):
        if isinstance(own := table.get(part), dict) and isinstance(general := defaults.get(part), dict):
            merged[part] = {**cast("dict[str, Any]", general), **cast("dict[str, Any]", own)}
    if isinstance(merged.get("path"), str):
        merged["path"] = here.path(merged["path"])
    return _model_settings(merged, here, place)


def _redacted_too(model: ModelSettings, general: ModelSettings) -> ModelSettings:
    """What is kept out of all models' records is kept out of each one's, also where it names others."""
    if model.records is None or general.records is None:
        return model
    redact = tuple(dict.fromkeys((*general.records.redact, *model.records.redact)))
    return dataclasses.replace(model, records=dataclasses.replace(model.records, redact=redact))


def _model_settings(table: Mapping[str, Any], here: _Place, place: str) -> ModelSettings:
    table = dict(table)
    for part, cls in (("batching", Batching), ("records", Kept)):
        if part in table:
            table[part] = _built(cls, _nested(table[part], here, place, part), here, place, part)
    for part in ("labels", "traffic"):
        _nested(table.get(part, {}), here, place, part)
    settings = _built(ModelSettings, table, here, place)
    _check_model(settings, lambda part: here.at(place, part))
    return settings


def _check_model(settings: ModelSettings, at: Callable[[str], str]) -> None:
    for label, version in settings.labels.items():
        if not SAFE_NAME.fullmatch(label) or label.isdigit():
            raise UsageError(
                f"a label can't be called {label!r}.", where=at("labels"), fix="Take a word, such as canary."
            )  # fmt: skip
        if not 0 <= version <= MOST_VERSION:
            raise UsageError(f"there is no version {version}.", where=at(f"labels.{label}"))
    for version in settings.versions:
        if not 0 <= version <= MOST_VERSION:
            raise UsageError(f"there is no version {version}.", where=at("versions"))
    if settings.keep < 1:
        raise UsageError("at least 1 version is kept.", where=at("keep"))
    for arm, share in settings.traffic.items():
        if arm not in settings.labels and not is_version(arm):
            raise UsageError(
                f"{arm!r} is neither a label of this model nor a version.", where=at("traffic"), fix=_labels(arm, settings)
            )  # fmt: skip
        if not (math.isfinite(share) and 0 <= share <= 1):
            raise UsageError(f"a share is between 0 and 1, not {share}.", where=at(f"traffic.{arm}"))
    total = math.fsum(settings.traffic.values())
    if settings.traffic and abs(total - 1) > 1e-6:
        raise UsageError(
            f"the shares add up to {total:g}.", where=at("traffic"), fix="They are parts of 1, such as stable = 0.9, canary = 0.1."
        )  # fmt: skip
    for label in settings.shadow:
        if label not in settings.labels:
            raise UsageError(
                f"{label!r} is no label of this model.", where=at("shadow"), fix=_labels(label, settings)
            )  # fmt: skip
    if settings.records is not None and settings.records.share > 1:
        raise UsageError(
            f"a share is between 0 and 1, not {settings.records.share}.", where=at("records.share")
        )  # fmt: skip
    if settings.batching.most < 1 or settings.batching.queue < 1:
        raise UsageError("at least 1 row is run, and may wait.", where=at("batching"))


def _labels(name: str, settings: ModelSettings) -> str:
    return (
        nearest(name, settings.labels) or "Labels go into the table 'labels' of the same model: canary = 4."
    )


def _access(table: dict[str, Any], here: _Place) -> Access:
    found = table.get("keys", [])
    if not isinstance(found, list):
        raise UsageError(
            "this must be a list of keys.", where=here.at("access", "keys"), fix="Write [[access.keys]] before each."
        )  # fmt: skip
    listed = cast("list[Any]", found)
    keys = tuple(
        _built(Key, _key(record, here, place), here, place)
        for place, record in ((f"access.keys[{row}]", record) for row, record in enumerate(listed))
    )
    for row, key in enumerate(keys):
        where = here.at(f"access.keys[{row}]")
        if not re.fullmatch(r"[0-9a-f]{64}", key.sha256):
            raise UsageError(
                "sha256 is 64 hexadecimal digits.", where=where, fix="It is the SHA-256 of the key, in lower case, not the key."
            )  # fmt: skip
        for right in key.rights:
            if right not in RIGHTS:
                raise UsageError(f"there is no right {right!r}.", where=where, fix=_known(right, RIGHTS))
    names = [key.name for key in keys]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"two keys are called {twice[0]!r}.", where=here.at("access", "keys"))
    paths = {
        name: here.path(table[name])
        for name in ("certificate", "private_key", "client_authority")
        if isinstance(table.get(name), str)
    }
    access = _built(Access, {**table, **paths, "keys": keys}, here, "access")
    if access.admin and not any("admin" in key.rights for key in keys) and not access.client_authority:
        raise UsageError(
            "admin routes are on, and no key may use them.", where=here.at("access", "admin"),
            fix='Give a key rights = ["infer", "read", "admin"], or leave admin out.',
        )  # fmt: skip
    if bool(access.certificate) != bool(access.private_key):
        raise UsageError(
            "a certificate needs its private key, and the other way round.", where=here.at("access")
        )  # fmt: skip
    if access.client_authority and not access.certificate:
        raise UsageError(
            "callers' certificates are only seen over TLS.", where=here.at("access", "client_authority"),
            fix="Give certificate and private_key too."
        )  # fmt: skip
    return access


def _key(record: Any, here: _Place, place: str) -> dict[str, Any]:
    table = _nested(record, here, place)
    for name in ("name", "sha256"):
        if name not in table:
            raise UsageError(f"a key needs {name!r}.", where=here.at(place))
    return table


def _check_server(settings: Settings, here: _Place) -> None:
    where = here.at("server")
    for name, port in (("http", settings.http), ("grpc", settings.grpc)):
        if port is not None and not 0 <= port <= 65535:
            raise UsageError(f"a port is a number up to 65535, not {port}.", where=here.at("server", name))
    if settings.http is None and settings.grpc is None:
        raise UsageError("a server without HTTP and gRPC answers nobody.", where=where)
    if settings.workers < 1 or (settings.threads is not None and settings.threads < 1):
        raise UsageError("there is at least 1 worker and 1 thread.", where=where)
    if not settings.path and not any(model.path for model in settings.models.values()):
        raise UsageError(
            "nothing to serve: there is no path.", where=where, fix="Name a bundle, or a folder of models: drivetrain serve models/"
        )  # fmt: skip
