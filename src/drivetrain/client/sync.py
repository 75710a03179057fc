"""A client that waits for its answers: connections that are kept, shared by threads, and the verbs on top."""

from __future__ import annotations

import http.client
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from drivetrain.client import asking
from drivetrain.client.asking import Batch, Described, Question, Wish
from drivetrain.client.call import (
    Call,
    Refused,
    address_of,
    check_limits,
    refusal,
    secure_context,
    unreachable,
    wait_before_again,
)
from drivetrain.client.connections import Pool, whole
from drivetrain.types import Answer, Array, Failure

if TYPE_CHECKING:
    from drivetrain.runtime.generator import Piece

T = TypeVar("T")


class Client:
    """Asks a server over HTTP, from any number of threads.

    `url` is where it is ("http://127.0.0.1:8000"), `key` what it knows the caller by. A question takes at most `timeout` seconds,
    those included in which it is asked again: `retries` times at most, where the server said that it is busy, and for how long.
    `ca` is a file of authorities that an https server's certificate is checked by (else this machine's own), `certificate` the
    caller's own, as a file with its private key or as the two files. At most `connections` are open at once. Nothing of the
    environment (proxies) is heeded, and no redirection followed.

    Errors are DrivetrainErrors; `Refused` (with `status`) where the server said no.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 3,
        ca: str | None = None,
        certificate: str | tuple[str, str] | None = None,
        connections: int = 8,
    ) -> None:
        self.address = address_of(url, key)
        check_limits(timeout, retries, connections)
        self.timeout, self.retries, self.connections = timeout, retries, connections
        context = secure_context(ca, certificate) if self.address.secure else None
        self._pool = Pool(self.address, context, connections)
        weakref.finalize(self, self._pool.close)
        self._described: dict[tuple[str, Wish], tuple[float, Described]] = {}

    def __repr__(self) -> str:
        return f"<Client {self.address.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open; a later question opens anew."""
        self._pool.close()

    # --- looking -------------------------------------------------------------------------------------------

    def models(self) -> list[dict[str, Any]]:
        """The models that this caller may ask: name, versions and their states, labels, traffic shares."""
        return self.ask(asking.models())

    def ready(
        self, model: str | None = None, *, version: int | None = None, label: str | None = None
    ) -> bool:
        """Whether the server, or one model of it, answers now. Raises only where nobody can be reached."""
        call = asking.live() if model is None else asking.model_ready(model, Wish(version, label))
        try:
            return self.ask(call, retries=0)
        except Refused as fault:
            if fault.status in (404, 503):
                return False
            raise

    def describe(
        self, model: str, *, version: int | None = None, label: str | None = None
    ) -> Mapping[str, Any]:
        """What a model takes and answers: its inputs with their schemas, its targets, versions, labels, limits."""
        return self.ask(asking.describe_model(model, Wish(version, label))).told

    def model(self, name: str) -> Model:
        """One model of the server, to be asked as a Predictor is."""
        return Model(self, name)

    # --- asking --------------------------------------------------------------------------------------------

    def predict(
        self,
        model: str,
        item: Any,
        *,
        version: int | None = None,
        label: str | None = None,
        sticky: str | None = None,
        priority: int | None = None,
        record_key: str | None = None,
        parts: bool = False,
        windows: bool = False,
    ) -> Answer:
        """The answer for one item, which is what `Predictor.predict` takes: a mapping from input names to raw values, or, where
        there is one input, its raw value alone. A file is a path here, whose bytes are sent; bytes; a picture of Pillow's; or an
        array. Raises DrivetrainError where there is no answer."""
        wish = Wish(version, label, sticky, priority, record_key)
        batch = self._question(model, wish, parts, windows).one(item)
        (found,) = self._answered(batch)
        if isinstance(found, Failure):
            raise found.error
        return found

    def predict_many(self, model: str, items: Iterable[Any], **wishes: Any) -> list[Answer | Failure]:
        """An answer, or the reason why there is none, for each item in its order; many items may be a frame of pandas, polars or
        pyarrow. The wishes are those of `stream`."""
        return list(self.stream(model, items, **wishes))

    def stream(
        self,
        model: str,
        items: Iterable[Any],
        *,
        version: int | None = None,
        label: str | None = None,
        sticky: str | None = None,
        priority: int | None = None,
        parts: bool = False,
        windows: bool = False,
        concurrency: int = 4,
    ) -> Iterator[Answer | Failure]:
        """As `predict_many`, one by one while they come: `concurrency` requests under way at most, each of some of the items,
        and so many held, however many there are."""
        question = self._question(model, Wish(version, label, sticky, priority), parts, windows)
        batches = question.batches(items)
        if min(concurrency, self.connections) < 2:
            for batch in batches:
                yield from self._answered(batch)
            return
        yield from self._at_once(batches, min(concurrency, self.connections))

    def forecast(
        self,
        model: str,
        history: Any,
        horizon: int | None = None,
        *,
        future: Any = None,
        version: int | None = None,
        label: str | None = None,
    ) -> list[dict[str, Any]]:
        """What follows a history (the path of a CSV, a frame, or a mapping of columns), for each of its series: `{"series",
        "forecast": [{"stamp", "value", "low", "high"}], "notes"}`."""
        item = asking.history_item(history, horizon, future)
        (found,) = self.predict(model, item, version=version, label=label).targets.values()
        return found["forecasts"]

    def recommend(
        self,
        model: str,
        user: Any = None,
        n: int = 10,
        *,
        version: int | None = None,
        label: str | None = None,
        **wishes: Any,
    ) -> dict[str, Any]:
        """The best `n` items for a user, or for a `history` of items: `{"user", "items": [{"item", "score", "why", ...}],
        "notes"}`. The other wishes are those of `Recommender.recommend`."""
        item = asking.wish_item(user, n, wishes)
        (found,) = self.predict(model, item, version=version, label=label).targets.values()
        return found

    def generate(
        self, model: str, prompt: Any, *, version: int | None = None, label: str | None = None, **options: Any
    ) -> Iterator[Piece]:
        """What a language model writes after a prompt, piece by piece as it is written: `print(piece.text, end="")`. `options`:
        `most` tokens; `strategy` ("greedy", "sampling" or "beam") and its fields (`temperature`, `top_k`, `top_p`, `seed`;
        `width`)."""
        call = asking.generate(model, prompt, options, Wish(version, label))
        for line in self._lines(call):
            if (piece := asking.piece(line)) is not None:
                yield piece

    def infer(
        self,
        model: str,
        tensors: Mapping[str, Array],
        *,
        outputs: Sequence[str] | None = None,
        version: int | None = None,
        priority: int | None = None,
    ) -> dict[str, Array]:
        """Encoded arrays, rows first, to the model's outputs, by the Open Inference Protocol with binary tensors."""
        return self.ask(asking.infer(model, tensors, outputs, Wish(version, priority=priority)))

    def outcomes(self, model: str, outcomes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """What turned out to be true, later: `[{"id": answer.served["id"], "value": "rose"}]`, or by the caller's own "key"."""
        return self.ask(asking.outcomes(model, outcomes))

    # --- the way there ----------------------------------------------------------------------------------------

    def ask(self, call: Call[T], *, retries: int | None = None) -> T:
        """What a call reads of its reply. Raises DrivetrainError."""
        ends = time.monotonic() + self.timeout
        for left in range(self.retries if retries is None else retries, -1, -1):
            try:
                reply = self._pool.exchange(call, ends)
            except (OSError, http.client.HTTPException) as fault:
                raise unreachable(self.address, fault, self.timeout) from fault
            wait = wait_before_again(reply, ends - time.monotonic()) if left else None
            if wait is None:
                return call.answer(reply)
            time.sleep(wait)
        raise AssertionError("unreachable")

    def described(self, model: str, wish: Wish) -> Described:
        """What is known of a model, asked for now and then: another version may take something else."""
        asked = (model, Wish(wish.version, wish.label))
        now = time.monotonic()
        since, found = self._described.get(asked, (0.0, None))
        if found is None or now - since > asking.KNOWN_SECONDS:
            found = self.ask(asking.describe_model(*asked))
            self._described[asked] = now, found
        return found

    def _question(self, model: str, wish: Wish, parts: bool, windows: bool) -> Question:
        return Question(model, self.described(model, wish), wish, {"parts": parts, "windows": windows})

    def _answered(self, batch: Batch) -> list[Answer | Failure]:
        if batch.call is None:
            return batch.answers()
        try:
            return batch.answers(self.ask(batch.call))
        except Refused as fault:
            return batch.refused(fault)

    def _at_once(self, batches: Iterator[Batch], most: int) -> Iterator[Answer | Failure]:
        from concurrent.futures import Future, ThreadPoolExecutor

        under_way: deque[Future[list[Answer | Failure]]] = deque()
        with ThreadPoolExecutor(most, thread_name_prefix="drivetrain-ask") as pool:
            try:
                for batch in batches:
                    under_way.append(pool.submit(self._answered, batch))
                    if len(under_way) == most:
                        yield from under_way.popleft().result()
                while under_way:
                    yield from under_way.popleft().result()
            finally:
                for each in under_way:
                    each.cancel()

    def _lines(self, call: Call[Any]) -> Iterator[bytes]:
        """The lines of a reply as they come, each waited for as long as a question is."""
        try:
            with self._pool.opened(call, time.monotonic() + self.timeout) as reply:
                if not 200 <= reply.status < 300:
                    raise refusal(whole(reply))
                while True:
                    reply.ends = time.monotonic() + self.timeout
                    if not (line := reply.readline()):
                        break
                    yield line
        except (OSError, http.client.HTTPException) as fault:
            raise unreachable(self.address, fault, self.timeout) from fault


class Model:
    """One model of a server, asked as a `Predictor` is: the same verbs, the same answers."""

    def __init__(self, client: Client, name: str) -> None:
        self.client, self.name = client, name

    def __repr__(self) -> str:
        return f"<Model {self.name} at {self.client.address.url}>"

    def describe(self, **which: Any) -> Mapping[str, Any]:
        return self.client.describe(self.name, **which)

    def predict(self, item: Any, **wishes: Any) -> Answer:
        return self.client.predict(self.name, item, **wishes)

    def predict_many(self, items: Iterable[Any], **wishes: Any) -> list[Answer | Failure]:
        return self.client.predict_many(self.name, items, **wishes)

    def stream(self, items: Iterable[Any], **wishes: Any) -> Iterator[Answer | Failure]:
        return self.client.stream(self.name, items, **wishes)

    def forecast(self, history: Any, horizon: int | None = None, **wishes: Any) -> list[dict[str, Any]]:
        return self.client.forecast(self.name, history, horizon, **wishes)

    def recommend(self, user: Any = None, n: int = 10, **wishes: Any) -> dict[str, Any]:
        return self.client.recommend(self.name, user, n, **wishes)

    def generate(self, prompt: Any, **options: Any) -> Iterator[Piece]:
        return self.client.generate(self.name, prompt, **options)

    def infer(self, tensors: Mapping[str, Array], **wishes: Any) -> dict[str, Array]:
        return self.client.infer(self.name, tensors, **wishes)

    def outcomes(self, outcomes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        return self.client.outcomes(self.name, outcomes)
