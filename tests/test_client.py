"""The client on its own: how it carries questions, what it makes of what comes back. Servers here say what they are told to."""

from __future__ import annotations

import asyncio
import datetime
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pytest

from drivetrain.client import AsyncClient, Client, Refused
from drivetrain.client.asking import Described, Question, Wish
from drivetrain.client.tensors import from_reply, to_request
from drivetrain.client.values import file_bytes, plain
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.types import Answer, Failure

NUMBER = {"type": "number"}
PICTURE = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/*"}


def reply(body: Any, status: str = "200 OK", **headers: str) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", *lines, "", ""]).encode() + data


class Scripted:
    """A server that gives these replies one after the other, whatever is asked; None closes the connection instead. `asked` are
    the requests as they came, `met` how many connections there were."""

    def __init__(self, replies: Sequence[bytes | None]) -> None:
        self.replies, self.asked, self.met = list(replies), list[bytes](), 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.met += 1
            with connection:
                connection.settimeout(5)
                while self.replies and (request := self._request(connection)):
                    self.asked.append(request)
                    if (given := self.replies.pop(0)) is None:
                        break
                    connection.sendall(given)
                    if b"Connection: close" in given:
                        break

    def _request(self, connection: socket.socket) -> bytes:
        data = b""
        try:
            while b"\r\n\r\n" not in data:
                if not (piece := connection.recv(65536)):
                    return b""
                data += piece
            head, _, body = data.partition(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.startswith(b"Content-Length")
                ),
                0,
            )
            while len(body) < length:
                body += connection.recv(65536)
            return head + b"\r\n\r\n" + body
        except OSError:
            return b""


@contextmanager
def scripted(*replies: bytes | None) -> Iterator[Scripted]:
    server = Scripted(replies)
    try:
        yield server
    finally:
        server.socket.close()


@contextmanager
def dripping(events: Sequence[bytes], seconds: float) -> Iterator[str]:
    """A server whose one reply comes event by event, `seconds` apart."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError), listening.accept()[0] as connection:
            connection.recv(65536)
            size = sum(map(len, events))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for number, event in enumerate(events):
                time.sleep(seconds if number else 0)
                connection.sendall(event)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()
        thread.join(5)


DESCRIBED = {
    "program": "single", "hash": "h", "inputs": [{"name": "area", "schema": NUMBER}], "targets": [{"name": "price"}],
    "limits": {"body": 10_000, "rows": 100},
}  # fmt: skip
ANSWERED = {
    "model": "houses", "version": 3, "hash": "h", "targets": ["price"], "ids": ["r1"], "latency_ms": 0.5, "request": "q",
    "answers": [{"input": "80.0", "value": 160.0, "unusual": {"area": {"value": "80", "reason": "far: above"}}}],
}  # fmt: skip


def ask(kind: str, url: str, use: Callable[[Any], Any], **options: Any) -> Any:
    """What `use` gives, of the client that waits or of the one that is awaited."""
    if kind == "sync":
        with Client(url, **options) as client:
            return use(client)

    async def asked() -> Any:
        async with AsyncClient(url, **options) as client:
            return await use(client)

    return asyncio.run(asked())


kinds = pytest.mark.parametrize("kind", ["sync", "async"])


@kinds
class TestTheWay:
    def test_an_answer_is_that_of_a_predictor_and_says_what_it_was_served_by(self, kind: str) -> None:
        with scripted(reply(DESCRIBED), reply(ANSWERED)) as server:
            found = ask(kind, server.url, lambda client: client.predict("houses", {"area": 80.0}))
        assert found == Answer("80.0", {"price": {"value": 160.0}}, found.unusual)
        assert str(found.unusual["area"]) == "80: far: above"
        assert found.served == {
            "model": "houses", "version": 3, "hash": "h", "latency_ms": 0.5, "request": "q", "id": "r1",
        }  # fmt: skip
        assert server.met == 1, "the connection is kept"
        assert server.asked[1].endswith(b'\r\n\r\n[{"area": 80.0}]')

    def test_a_chunked_reply_is_read_and_its_connection_kept(self, kind: str) -> None:
        body = json.dumps({"models": []}).encode()
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n%s\r\n%x\r\n%s\r\n0\r\nX: y\r\n\r\n" % (
            body[:3], len(body) - 3, body[3:],
        )  # fmt: skip
        with scripted(chunked, reply({"models": [1]})) as server:
            assert ask(kind, server.url, lambda client: client.models()) == []
            server.replies.insert(0, chunked)

    def test_a_busy_server_is_asked_again_when_it_said_so(self, kind: str) -> None:
        busy = reply({"error": "full", "where": "", "fix": ""}, "503 Service Unavailable", Retry_After="0")
        with scripted(busy, busy, reply({"models": []})) as server:
            assert ask(kind, server.url, lambda client: client.models()) == []
            assert len(server.asked) == 3

    def test_it_is_not_asked_again_without_being_told_when(self, kind: str) -> None:
        with scripted(reply({"error": "full", "fix": "later"}, "503 Service Unavailable")) as server:
            with pytest.raises(Refused, match=r"full\. later") as caught:
                ask(kind, server.url, lambda client: client.models())
            assert caught.value.status == 503
            assert len(server.asked) == 1

    @pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "500 Internal Server Error"])
    def test_what_is_refused_for_good_is_not_asked_again(self, kind: str, status: str) -> None:
        no = reply(
            {"error": "no", "where": "here", "fix": "mend it"}, status, Retry_After="0", X_Request_Id="abc"
        )
        with scripted(no) as server:
            with pytest.raises(Refused) as caught:
                ask(kind, server.url, lambda client: client.models())
            assert (caught.value.error, caught.value.where, caught.value.fix) == ("no", "here", "mend it")
            assert caught.value.request == "abc"
            assert len(server.asked) == 1

    def test_a_connection_that_was_closed_meanwhile_is_made_anew(self, kind: str) -> None:
        with scripted(reply({"models": []}), None, reply({"models": [1]})) as server:

            def twice(client: Any) -> Any:
                if kind == "sync":
                    return client.models(), client.models()
                return self._twice(client)

            assert ask(kind, server.url, twice) == ([], [1])
            assert server.met == 2

    @staticmethod
    async def _twice(client: AsyncClient) -> Any:
        return await client.models(), await client.models()

    def test_a_first_connection_that_is_cut_is_an_error(self, kind: str) -> None:
        with scripted(None) as server, pytest.raises(DrivetrainError, match="can't be asked"):
            ask(kind, server.url, lambda client: client.models())

    def test_nobody_there(self, kind: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
            with pytest.raises(DrivetrainError, match=r"nobody answers there\. Is"):
                ask(kind, url, lambda client: client.models())

    def test_a_server_that_says_nothing_is_not_waited_for_longer(self, kind: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            began = time.monotonic()
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with pytest.raises(DrivetrainError, match=r"no answer in 0\.1 seconds"):
                ask(kind, url, lambda client: client.models(), timeout=0.1)
            assert time.monotonic() - began < 1

    def test_what_is_no_server_of_ours_is_told_apart(self, kind: str) -> None:
        page = reply(b"<html>Bad gateway</html>", "502 Bad Gateway")
        with scripted(page) as server, pytest.raises(Refused, match=r"answered 502 Bad Gateway\. Is this"):
            ask(kind, server.url, lambda client: client.models())

    def test_no_redirection_takes_the_key_elsewhere(self, kind: str) -> None:
        away = reply(b"", "302 Found", Location="http://127.0.0.1:1/")
        with scripted(away) as server, pytest.raises(Refused, match="sends elsewhere"):
            ask(kind, server.url, lambda client: client.models(), key="secret")

    def test_a_key_is_sent_and_never_shown(self, kind: str) -> None:
        with scripted(reply({"models": []})) as server:
            shown = ask(kind, server.url, lambda client: client.models(), key="secret")
            assert b"Authorization: Bearer secret" in server.asked[0]
        assert shown == []
        assert "secret" not in repr(Client(server.url, "secret")) + repr(Client(server.url, "secret").address)

    def test_a_stream_is_read_event_by_event(self, kind: str) -> None:
        events = (
            b'data: {"token": 1, "text": "a"}\n\ndata: {"token": 2, "text": "b"}\n\ndata: {"done": true}\n\n'
        )
        with scripted(reply(events, Content_Type="text/event-stream")) as server:
            pieces = self._written(kind, server.url)
        assert [(piece.token, piece.text) for piece in pieces] == [(1, "a"), (2, "b")]
        assert server.asked[0].endswith(b'{"prompt": "x", "most": 2}')

    @staticmethod
    def _written(kind: str, url: str, **options: Any) -> list[Any]:
        async def written() -> list[Any]:
            async with AsyncClient(url, **options) as client:
                return [piece async for piece in client.generate("m", "x", most=2)]

        return (
            list(Client(url, **options).generate("m", "x", most=2))
            if kind == "sync"
            else asyncio.run(written())
        )

    def test_a_stream_may_take_longer_than_a_question_and_so_may_its_reader(self, kind: str) -> None:
        events = [b'data: {"token": %d, "text": "a"}\n\n' % n for n in range(4)]
        with dripping(events, 0.15) as url:
            if kind == "sync":
                found = [
                    time.sleep(0.25) or piece.token for piece in Client(url, timeout=0.3).generate("m", "x")
                ]
            else:

                async def read() -> list[int]:
                    found = []
                    async with AsyncClient(url, timeout=0.3) as client:
                        async for piece in client.generate("m", "x"):
                            await asyncio.sleep(0.25)
                            found.append(piece.token)
                    return found

                found = asyncio.run(read())
        assert found == [0, 1, 2, 3]

    def test_a_stream_that_stands_still_is_left(self, kind: str) -> None:
        events = [b'data: {"token": 1, "text": "a"}\n\n', b'data: {"done": true}\n\n']
        with (
            dripping(events, 0.6) as url,
            pytest.raises(DrivetrainError, match=r"no answer in 0\.15 seconds"),
        ):
            self._written(kind, url, timeout=0.15)

    def test_an_error_in_a_stream_is_raised(self, kind: str) -> None:
        events = (
            b'data: {"token": 1, "text": "a"}\n\ndata: {"error": "too long", "where": "m", "fix": ""}\n\n'
        )
        with scripted(reply(events)) as server, pytest.raises(DrivetrainError, match="m: too long"):
            self._written(kind, server.url)


class TestManyItems:
    def about(self, schema: Any = NUMBER, body: int = 10_000, rows: int = 100) -> Described:
        return Described({}, {"area": schema}, ("price",), "single", body, rows)

    def test_items_are_cut_by_rows_and_by_bytes(self) -> None:
        batches = list(Question("m", self.about(rows=3), Wish()).batches([{"area": n} for n in range(7)]))
        assert [len(batch.names) for batch in batches] == [3, 3, 1]
        batches = list(Question("m", self.about(body=60), Wish()).batches([{"area": n} for n in range(7)]))
        assert all(batch.call and len(batch.call.body) <= 60 for batch in batches)
        assert sum(len(batch.names) for batch in batches) == 7

    def test_an_item_that_cannot_be_sent_costs_no_other_its_answer(self) -> None:
        items = [
            {"area": 1},
            {"size": 2},
            {"area": b"x"},
            DataError("unreadable", where="row 4"),
            {"area": 5},
        ]
        (batch,) = Question("m", self.about(), Wish()).batches(items)
        assert batch.call
        assert json.loads(batch.call.body) == [{"area": 1}, {"area": 5}]
        found = batch.answers([Answer("1", {}), Answer("5", {})])
        assert [type(each) for each in found] == [Answer, Failure, Failure, Failure, Answer]
        assert isinstance(found[3], Failure)
        assert found[3].error.where == "row 4"

    def test_a_failed_item_at_the_end_of_a_batch_stays_in_its_place(self) -> None:
        items = [{"area": 1}, {"area": 2}, {}, {"area": 4}]
        first, second = Question("m", self.about(rows=2), Wish()).batches(items)
        assert (len(first.names), len(second.names)) == (2, 2)
        assert isinstance(second.answers([Answer("4", {})])[0], Failure)

    def test_what_is_too_large_is_refused_here(self) -> None:
        batch = Question("m", self.about(PICTURE, body=50), Wish()).one(b"\x89PNG" * 40)
        (found,) = batch.answers()
        assert isinstance(found, Failure)
        assert "the server takes 0.0 MB" in str(found.error)

    def test_answers_stay_in_order_whichever_comes_first(self) -> None:
        about = {**DESCRIBED, "limits": {"body": 10_000, "rows": 1}}
        told = [reply({**ANSWERED, "answers": [{"input": "", "value": float(n)}]}) for n in range(5)]
        with scripted(reply(about), *told) as server:
            client = Client(server.url, connections=1)
            found = client.predict_many("houses", [{"area": n} for n in range(5)], concurrency=1)
        assert [each.value for each in found] == [0, 1, 2, 3, 4]  # type: ignore[union-attr]

    def test_one_item_is_not_many(self) -> None:
        with pytest.raises(UsageError, match="one item, not many"):
            list(Question("m", self.about(), Wish()).batches("abc"))


class TestValues:
    def test_cells(self) -> None:
        day = datetime.date(2024, 2, 29)
        given = [
            np.float32(0.5),
            np.int64(3),
            float("nan"),
            None,
            True,
            day,
            np.datetime64("2024-02-29"),
            [1, np.nan],
        ]
        assert plain(given) == [0.5, 3, None, None, True, "2024-02-29", "2024-02-29", [1, None]]
        assert plain(float("inf")) == "inf"
        with pytest.raises(DataError, match="no value of a cell"):
            plain(b"x")

    def test_pictures_become_png(self) -> None:
        from PIL import Image

        pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
        data = file_bytes(pixels, PICTURE, 10_000)
        with Image.open(__import__("io").BytesIO(data)) as picture:
            assert np.array_equal(np.asarray(picture), pixels)
        data = file_bytes(Image.fromarray(pixels), PICTURE, 10_000)
        with Image.open(__import__("io").BytesIO(data)) as picture:
            assert np.array_equal(np.asarray(picture), pixels)
        with pytest.raises(DataError, match="not a picture"):
            file_bytes(pixels.astype(np.float32), PICTURE, 10_000)

    def test_samples_become_wav(self) -> None:
        from drivetrain.sound.file import opened

        samples = np.linspace(-1, 1, 50).astype(np.float32)
        data = file_bytes(
            (samples, 8000), {"contentEncoding": "base64", "contentMediaType": "audio/*"}, 10_000
        )
        with opened(data) as sound:
            assert np.array_equal(sound.mono(), samples)
            assert sound.info.rate == 8000

    def test_tensors_there_and_back(self) -> None:
        feeds = {
            "a": np.arange(6, dtype=np.int32).reshape(2, 3), "b": np.array([["x"], ["é"]]),
            "c": np.array([[True], [False]]), "d": np.ones((2, 1), ">f4"),
        }  # fmt: skip
        body, size = to_request(feeds, None)
        head = json.loads(body[:size])
        told = {"outputs": head["inputs"]}
        found = from_reply(json.dumps(told).encode() + body[size:], len(json.dumps(told)))
        assert np.array_equal(found["a"], feeds["a"])
        assert found["b"].tolist() == [[b"x"], ["é".encode()]]
        assert found["c"].tolist() == [[True], [False]]
        assert found["d"].tolist() == [[1], [1]]
        with pytest.raises(DrivetrainError, match="cut off"):
            from_reply(json.dumps(told).encode() + body[size:-1], len(json.dumps(told)))


class TestAddress:
    @pytest.mark.parametrize(
        "url", ["", "localhost:8000", "ftp://x", "http://", "http://u:p@h", "http://h/?a=1", "http://h:x"]
    )
    def test_what_is_no_address(self, url: str) -> None:
        with pytest.raises(UsageError) as caught:
            Client(url)
        assert ":p@" not in str(caught.value)

    def test_a_key_cannot_carry_a_header_of_its_own(self) -> None:
        with pytest.raises(UsageError, match="can't be a key"):
            Client("http://h", "a\r\nX-Admin: yes")

    def test_a_name_cannot_become_a_step_of_the_path(self) -> None:
        assert Wish().path("../v2/repository?x=#") == "/models/..%2Fv2%2Frepository%3Fx%3D%23"

    def test_a_version_or_a_label(self) -> None:
        with pytest.raises(UsageError, match="one of them"):
            Wish(version=1, label="stable")


def test_importing_the_client_is_quick_and_brings_no_runtime_with_it() -> None:
    code = (
        "import sys, time; began = time.process_time(); import drivetrain.client as c; c.Client, c.AsyncClient;"
        "print(time.process_time() - began, [m for m in ('onnxruntime', 'PIL', 'torch', 'orjson') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    seconds, _, loaded = done.stdout.strip().partition(" ")
    assert loaded == "[]"
    assert float(seconds) < 0.4
