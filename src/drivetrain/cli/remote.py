"""A model on a server in place of a bundle here: `drivetrain predict http://HOST:PORT/models/NAME photo.jpg`.

Files are read here and answers printed here, by the codecs that the server tells of; only raw values travel.
"""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from drivetrain.cli.common import Reply, refuse_unwritable
from drivetrain.errors import DrivetrainError, UsageError

if TYPE_CHECKING:
    from drivetrain.bundle.parts import Part
    from drivetrain.client import Client
    from drivetrain.types import Answer, Failure

KEY = "DRIVETRAIN_KEY"
RECORDS = "A server keeps its own records: see its serve.toml."
HERE = {
    "trusted": "A server tries its bundles itself.",
    "beam": "A server writes the likeliest text.",
    "chart": "Use --out, or draw it where the bundle is.",
    "records": RECORDS,
    "record_key": RECORDS,
    "redact": RECORDS,
}
"""Options that are of no use to a server, and what to do instead."""
_MODEL = re.compile(r"(.*?)/models/([^/]+)(?:/(versions|labels)/([^/]+))?(?:/(?:predict|page)?)?")
_BARE = re.compile(r"[\w.-]+:\d+/models/[^/]+")


def add_key(command: ArgumentParser) -> None:
    command.add_argument(
        "--key",
        metavar="KEY",
        help=f"of a model on a server: the key that it asks for (better in ${KEY}, which no list of processes shows)",
    )


def is_address(bundle: str) -> bool:
    """Whether a BUNDLE is a model on a server. Raises UsageError for what would be one with http:// before it."""
    if _BARE.match(bundle) and not os.path.lexists(bundle):
        raise UsageError(
            "there is no such file.", where=bundle, fix=f"Is it a model on a server? Write http://{bundle}"
        )
    return bundle.startswith(("http://", "https://"))


class Remote:
    """A model on a server as what answers: a `Predictor` from afar."""

    def __init__(self, address: str, key: str | None) -> None:
        from drivetrain.bundle.parts import parts_in
        from drivetrain.client import Client, asking
        from drivetrain.codecs import Signature

        match = _MODEL.fullmatch(address.partition("?")[0].partition("#")[0])
        if match is None:
            raise UsageError(
                "this is no address of a model.",
                where=address,
                fix="Such as http://127.0.0.1:8000/models/NAME.",
            )
        server, name, kind, which = match.groups()
        self.client: Client = Client(server, os.environ.get(KEY) if key is None else key)
        self.name = unquote(name)
        self.which: dict[str, Any] = {} if kind is None else {kind.rstrip("s"): unquote(which)}
        told = self.client.ask(asking.signature(self.name, asking.Wish(**self.which)))
        try:
            self.signature = Signature.from_json(told["signature"])
            self.manifest: Mapping[str, Any] = {"task": told["task"], "facts": told["facts"]}
            self.program = str(told["program"])
            self.parts: tuple[Part, ...] = parts_in(told["facts"], self.signature)
        except (KeyError, TypeError, AttributeError) as fault:
            raise DrivetrainError(
                f"the server doesn't say what the model is: {fault!r}.", where=address
            ) from fault

    def stream(
        self, items: Iterable[Any], *, parts: bool = False, windows: bool = False
    ) -> Iterator[Answer | Failure]:
        return self.client.stream(self.name, items, parts=parts, windows=windows, **self.which)


def opened(options: Namespace) -> Remote:
    """The model that the options name. Raises UsageError for options of which a server knows nothing."""
    for name, fix in HERE.items():
        if getattr(options, name):
            raise UsageError(
                "a model on a server has no such option.", where=f"--{name.replace('_', '-')}", fix=fix
            )
    found = Remote(options.bundle, options.key)
    other = "recommends" if found.program == "recommend" else ""
    if found.program == "generate" and not found.client.describe(found.name, **found.which).get("writes"):
        other = "goes on with a text"
    if other:
        fix = "Ask it by drivetrain.client, or on its page in a browser."
        raise UsageError(f"this model {other}.", where=options.bundle, fix=fix)
    return found


def forecast(model: Remote, options: Namespace) -> Reply:
    """As `histories.predict`, of a model on a server: the history goes there whole."""
    from drivetrain.client.values import plain
    from drivetrain.data.answer_files import refuse_form, write_answers
    from drivetrain.data.read.rows import read_rows

    for name in ("keep", "parts", "windows"):
        if getattr(options, name):
            raise UsageError("a forecast has no such thing.", where=f"--{name}", fix="Leave it out.")
    if len(options.inputs) != 1:
        raise UsageError("a forecast is of one history.", where=options.inputs[1], fix="Give one file.")
    refuse_unwritable(options.out, options)
    if options.out:
        refuse_form(options.out)
    (path,) = options.inputs

    def rows(of: str) -> list[Any]:
        return [plain(row) for _, row in read_rows(of)]

    item = {"history": rows(path)}
    item |= {"future": rows(options.known_future)} if options.known_future else {}
    item |= {"horizon": options.horizon} if options.horizon is not None else {}
    try:
        answer = model.client.predict(model.name, item, **model.which)
    except DrivetrainError as fault:
        raise fault.at(path) from fault
    ((target, told),) = answer.targets.items()
    found = told["forecasts"]
    about = model.client.describe(model.name, **model.which)["forecast"]
    if options.out:
        names = {about.get("series_field") or "": "series"} if about.get("series_field") else {}
        names |= {about.get("timestamp") or "moment": "stamp", "value": "value", "low": "low", "high": "high"}
        rows_out = [{**row, "series": each["series"]} for each in found for row in each["forecast"]]
        columns = {name: [row[part] for row in rows_out] for name, part in names.items()}
        write_answers(options.out, columns, [dict(zip(columns, row)) for row in zip(*columns.values())])
    levels = model.signature.targets[target].spec()["levels"]
    return {
        "history": path, "target": target, "band": round(levels[-1] - levels[0], 6), "forecasts": found,
        "notes": list(dict.fromkeys(note for each in found for note in each["notes"])),
        **({"out": options.out} if options.out else {}),
    }, 0  # fmt: skip
