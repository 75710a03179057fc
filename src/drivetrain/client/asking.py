"""What a client can ask: each verb as a `Call`, the same for both clients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from drivetrain.client.call import Call, Refused, Reply, header, place
from drivetrain.client.tensors import HEADER_LENGTH, from_reply, to_request
from drivetrain.client.values import as_json, file_bytes, is_file, plain, too_large
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.files import from_json, to_json
from drivetrain.runtime.frames import column_of, frame_rows, library_of, names_of
from drivetrain.runtime.rows import describe, sample_of
from drivetrain.types import Answer, Array, Failure, Unusual

if TYPE_CHECKING:
    from drivetrain.runtime.generator import Piece

JSON, FILE = "application/json", "application/octet-stream"
AT_ONCE, FILES_AT_ONCE = 1024, 64
"""Items of one request, at most: of cells, and of files."""
REQUEST = 8 * 2**20
"""Bytes from which on the items that follow go into another request."""
STICKY = "X-Sticky-Key"
KNOWN_SECONDS = 60.0
"""How long a description holds."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which version is asked, and how. `version` and `label` choose one (neither: the server does, by its traffic shares, and a
    caller with the same `sticky` stays with one); of greater `priority` is answered first; `record_key` is what the caller calls
    this case, to tell its outcome by."""

    version: int | None = None
    label: str | None = None
    sticky: str | None = None
    priority: int | None = None
    record_key: str | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.label is not None:
            raise UsageError(
                "a version and a label: one of them says which is meant.", where="label", fix="Give one."
            )

    def path(self, model: str, verb: str = "") -> str:
        """Of the model, or of what it is asked to do."""
        which = () if self.version is None else ("versions", self.version)
        which = which if self.label is None else ("labels", self.label)
        return place("models", model, *which, *([verb] if verb else []))

    def headers(self) -> dict[str, str]:
        return {
            **header(STICKY, self.sticky),
            **header("X-Priority", self.priority),
            **header("X-Record-Key", self.record_key),
        }


@dataclass(frozen=True)
class Described:
    """What a server says of a model: `told` as it came, and what is asked of it most often."""

    told: Mapping[str, Any] = field(repr=False)
    inputs: Mapping[str, Mapping[str, Any]]
    """Input -> JSON schema of its raw value, in the model's order."""
    targets: tuple[str, ...]
    program: str
    most_bytes: int
    most_rows: int

    @property
    def of_files(self) -> bool:
        return any(map(is_file, self.inputs.values()))


def models() -> Call[list[dict[str, Any]]]:
    return Call("GET", "/models", lambda reply: list(reply.json()["models"]))


def live() -> Call[bool]:
    return Call("GET", "/health/ready", lambda reply: True)


def model_ready(model: str, wish: Wish) -> Call[bool]:
    return Call("GET", wish.path(model), lambda reply: True)


def describe_model(model: str, wish: Wish) -> Call[Described]:
    return Call("GET", wish.path(model), described)


def described(reply: Reply) -> Described:
    told = reply.json()
    try:
        limits = told.get("limits", {})
        return Described(
            told, {each["name"]: each["schema"] for each in told["inputs"]}, tuple(each["name"] for each in told["targets"]),
            told["program"], int(limits.get("body", 2**25)), int(limits.get("rows", AT_ONCE)),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError, ValueError) as fault:
        raise DrivetrainError(f"the server doesn't describe the model: {fault!r} is missing.") from fault


def signature(model: str, wish: Wish) -> Call[dict[str, Any]]:
    """The codecs of a model as JSON, with its task: see `drivetrain predict URL`."""
    return Call("GET", wish.path(model, "signature"), lambda reply: cast("dict[str, Any]", reply.json()))


def infer(
    model: str, feeds: Mapping[str, Array], outputs: Sequence[str] | None, wish: Wish
) -> Call[dict[str, Array]]:
    """Encoded arrays by the Open Inference Protocol, binary."""
    if wish.label is not None:
        raise UsageError("this protocol knows no labels.", where="label", fix="Give a version.")
    body, size = to_request(feeds, outputs)
    which = () if wish.version is None else ("versions", wish.version)
    headers = {"Content-Type": FILE, HEADER_LENGTH: str(size), **wish.headers()}

    def read(reply: Reply) -> dict[str, Array]:
        told = reply.headers.get(HEADER_LENGTH.lower(), "")
        return from_reply(reply.body, int(told) if told.isdigit() else None)

    return Call("POST", place("v2", "models", model, *which, "infer"), read, body, headers)


def outcomes(model: str, given: Iterable[Mapping[str, Any]]) -> Call[dict[str, Any]]:
    told = [plain(each) for each in given]
    return _posted(place("models", model, "outcomes"), {"outcomes": told}, {})


def generate(model: str, prompt: Any, options: Mapping[str, Any], wish: Wish) -> Call[dict[str, Any]]:
    """Its reply is a stream of events, of which `piece` reads each line."""
    return _posted(wish.path(model, "generate"), {"prompt": plain(prompt), **options}, wish.headers())


def _posted(path: str, value: Any, headers: Mapping[str, str]) -> Call[dict[str, Any]]:
    body = to_json(value).encode()
    return Call(
        "POST",
        path,
        lambda reply: cast("dict[str, Any]", reply.json()),
        body,
        {"Content-Type": JSON, **headers},
    )


def piece(line: bytes) -> Piece | None:
    """The piece of a text that a line of a stream of events tells, None where it tells none. Raises DrivetrainError that the server
    sent."""
    from drivetrain.runtime.generator import Piece

    if not line.startswith(b"data:"):
        return None
    told = from_json(line[5:].strip(), where="the server's stream")
    if "error" in told:
        raise DrivetrainError(str(told["error"]), where=told.get("where", ""), fix=str(told.get("fix", "")))
    if "token" not in told:
        return None
    return Piece(told["token"], told.get("text", ""), bool(told.get("stops", False)))


# --- answers for items -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """Items of one request: what each is called, those that can't even be sent, and the call that asks for the others."""

    names: list[str]
    failed: dict[int, Failure]
    call: Call[list[Answer | Failure]] | None
    file: bool = False
    """Whether it is one file as it is."""

    def refused(self, fault: Refused) -> list[Answer | Failure]:
        """Where a file can't be read the server has nothing to answer: that is this item's failure. Raises all else."""
        if not self.file or fault.status != 400:
            raise fault
        (name,) = self.names
        own = (
            name if fault.where in ("", f"{len(self.call.body)} bytes" if self.call else "") else fault.where
        )
        return [Failure(name, DataError(fault.error, where=own, fix=fault.fix))]

    def answers(self, found: Sequence[Answer | Failure] = ()) -> list[Answer | Failure]:
        """For each item, in their order, of what is `found` of those sent."""
        rest = iter(found)
        return [self.failed[n] if n in self.failed else next(rest) for n in range(len(self.names))]


class Question:
    """Items on their way to a model: cut into requests that the server takes."""

    def __init__(self, model: str, about: Described, wish: Wish, options: Mapping[str, bool] = {}) -> None:
        self.about, self.headers = about, wish.headers()
        asked = "&".join(f"{name}=true" for name, value in options.items() if value)
        self.path = wish.path(model, "predict") + (f"?{asked}" if asked else "")
        self.rows = max(1, min(FILES_AT_ONCE if about.of_files else AT_ONCE, about.most_rows))
        self.most = about.most_bytes - 2

    def one(self, item: Any) -> Batch:
        """The only file of an only input goes as it is."""
        inputs = self.about.inputs
        alone = self.about.program == "single" and len(inputs) == 1 and self.about.of_files
        if not alone or isinstance(item, DrivetrainError):
            return next(self.batches([item]))
        ((name, schema),) = inputs.items()
        called = describe(item)
        try:
            data = file_bytes(sample_of(item, inputs)[name], schema, self.most)
        except DrivetrainError as fault:
            return Batch([called], {0: Failure(called, fault.at(called))}, None)
        return Batch([called], {}, self._call(data, FILE, [called]), file=True)

    def batches(self, items: Iterable[Any]) -> Iterator[Batch]:
        """Read as they are asked for."""
        names: list[str] = []
        failed: dict[int, Failure] = {}
        texts: list[bytes] = []
        size = 0
        for item in self._rows(items):
            name = item.where if isinstance(item, DrivetrainError) else describe(item)
            try:
                text = self._text(item)
            except DrivetrainError as fault:
                failed[len(names)] = Failure(name, fault.at(name))
                text = b""
            if names and (len(names) == self.rows or size + len(text) > min(REQUEST, self.most)):
                moved = {0: failed.pop(len(names))} if len(names) in failed else {}
                yield self._batch(names, failed, texts)
                names, failed, texts, size = [], moved, [], 0
            names.append(name)
            if text:
                texts.append(text)
                size += len(text) + 1
        if names:
            yield self._batch(names, failed, texts)

    def _rows(self, items: Iterable[Any]) -> Iterator[Any]:
        if isinstance(items, (str, bytes, bytearray, Mapping)) or hasattr(items, "__fspath__"):
            raise UsageError(
                "this is one item, not many.",
                where=describe(items),
                fix="Give a list of items, or use predict.",
            )
        return iter(frame_rows(items, [*self.about.inputs], self.rows) if library_of(items) else items)

    def _text(self, item: Any) -> bytes:
        """An item as JSON. Raises DrivetrainError: its own, where it is one."""
        if isinstance(item, DrivetrainError):
            raise item
        if self.about.program != "single":
            value = plain(item)
        else:
            sample = sample_of(item, self.about.inputs)
            value = {}
            for name, schema in self.about.inputs.items():
                try:
                    value[name] = as_json(sample[name], schema, self.most)
                except DrivetrainError as fault:
                    raise (fault.in_column(name) if len(self.about.inputs) > 1 else fault) from fault
        text = to_json(value).encode()
        if len(text) > self.most:
            raise too_large(len(text), self.most)
        return text

    def _batch(self, names: list[str], failed: dict[int, Failure], texts: list[bytes]) -> Batch:
        if not texts:
            return Batch(names, failed, None)
        sent = [name for n, name in enumerate(names) if n not in failed]
        return Batch(names, failed, self._call(b"[%s]" % b",".join(texts), JSON, sent))

    def _call(self, body: bytes, kind: str, names: list[str]) -> Call[list[Answer | Failure]]:
        def read(reply: Reply) -> list[Answer | Failure]:
            return answers_of(reply.json(), names, self.about.targets)

        return Call("POST", self.path, read, body, {"Content-Type": kind, **self.headers})


def answers_of(told: Any, names: Sequence[str], targets: Sequence[str]) -> list[Answer | Failure]:
    """The answers in a reply, each called as the caller calls its item. Raises DrivetrainError for what is no reply to it."""
    try:
        found = told["answers"]
        if len(found) != len(names):
            raise DrivetrainError(f"the server gave {len(found)} answers for {len(names)} items.")
        served = {name: told.get(name) for name in ("model", "version", "hash", "latency_ms", "request")}
        ids = told.get("ids") or [None] * len(found)
        targets = told.get("targets") or targets
        return [
            _answer(each, name, targets, {**served, "id": record})
            for each, name, record in zip(found, names, ids, strict=True)
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as fault:
        raise DrivetrainError(f"the server's reply can't be read: {fault!r}.") from fault


def _answer(
    told: Mapping[str, Any], name: str, targets: Sequence[str], served: Mapping[str, Any]
) -> Answer | Failure:
    if isinstance(told.get("error"), str) and "fix" in told:
        where = str(told.get("where", ""))
        own = name if where in ("", told.get("input")) else where
        return Failure(name, DataError(told["error"], where=own, fix=str(told["fix"])))
    rest = {key: value for key, value in told.items() if key not in ("input", "unusual", "parts", "windows")}
    unusual = {key: Unusual(each["value"], each["reason"]) for key, each in told.get("unusual", {}).items()}
    parts = told.get("parts", {})
    windows = tuple(told.get("windows", ()))
    if len(targets) == 1:
        (only,) = targets
        rest, parts = {only: rest}, {only: parts} if parts else {}
    decoded = {target: rest[target] for target in targets}
    return Answer(name, decoded, unusual, parts, windows=windows, served=served)


# --- the other programs ---------------------------------------------------------------------------------------


def history_item(history: Any, horizon: int | None, future: Any) -> dict[str, Any]:
    """A history as a forecaster's item: of the path of a CSV its text, of a frame or a mapping its columns."""
    item = {
        "history": _columns(history),
        "future": None if future is None else _columns(future),
        "horizon": horizon,
    }
    return {name: value for name, value in item.items() if value is not None}


def wish_item(user: Any, n: int, wishes: Mapping[str, Any]) -> dict[str, Any]:
    """A wish for recommendations as a recommender's item."""
    return {name: value for name, value in {"user": user, "n": n, **wishes}.items() if value is not None}


def _columns(given: Any) -> Any:
    if isinstance(given, str) or hasattr(given, "__fspath__"):
        data = file_bytes(given, {}, 2**31)
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as fault:
            raise DataError(
                "it is not UTF-8.", where=given, fix="Save it as UTF-8, or give its table as a frame."
            ) from fault
    if library_of(given):
        return {name: plain(column_of(given, name)) for name in names_of(given)}
    if isinstance(given, Mapping):
        return {str(name): plain(list(cells)) for name, cells in cast("Mapping[Any, Any]", given).items()}
    raise UsageError(
        f"a history can't be taken from {type(given).__name__}.", where="history",
        fix="Give the path of a CSV, a frame, or a mapping of columns.",
    )  # fmt: skip
