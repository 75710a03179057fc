"""HTTP as honest clients speak it."""

from __future__ import annotations

import gzip
import http.client
import time
import zlib

import pytest
from http_server import (
    GOLDEN,
    GOLDEN_ANSWER,
    Running,
    body_of,
    get,
    head_of,
    post,
    request,
    running,
    status_of,
    statuses_of,
)

from drivetrain.serve.settings import Access, Limits
from drivetrain.serve.types import LATE


@pytest.fixture(scope="module")
def here():
    with running() as server:
        yield server


def test_a_connection_takes_one_request_after_another(here: Running):
    client = http.client.HTTPConnection("127.0.0.1", here.port, timeout=10)
    for _ in range(3):
        client.request("POST", "/models/tiny/predict", GOLDEN)
        answer = client.getresponse()
        assert answer.status == 200
        assert answer.read() == GOLDEN_ANSWER
        assert answer.headers["Content-Type"] == "application/json"
        assert len(answer.headers["X-Request-Id"]) >= 16
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Date" in answer.headers
    client.close()


def test_requests_sent_at_once_are_answered_in_their_order(here: Running):
    said = (
        get("/slow?seconds=0.05")
        + get("/models/a")
        + get("/models/nowhere/x")
        + get("/models/b", "Connection: close")
    )
    answer = here.say(said)
    assert statuses_of(answer) == [200, 200, 404, 200]
    assert answer.index(b"slow") < answer.index(b'"a"') < answer.index(b'"b"')


def test_a_body_in_chunks_and_byte_by_byte(here: Running):
    head = request("POST", "/models/tiny/predict", "Transfer-Encoding: chunked", "Connection: close")
    chunks = b'4\r\n{"x"\r\n5\r\n: 20}\r\n0\r\n\r\n'
    assert body_of(here.say(head + chunks)) == GOLDEN_ANSWER
    whole = head + chunks
    assert body_of(here.say(*(whole[i : i + 1] for i in range(len(whole))))) == GOLDEN_ANSWER


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(GOLDEN)),
        ("x-gzip", gzip.compress(GOLDEN)),
        ("deflate", zlib.compress(GOLDEN)),
        ("deflate", zlib.compress(GOLDEN, wbits=-15)),
        ("identity", GOLDEN),
    ],
    ids=["gzip", "x-gzip", "zlib", "bare deflate", "identity"],  # gzip's bytes have the time in them.
)
def test_bodies_are_decompressed(here: Running, encoding: str, packed: bytes):
    said = post("/models/tiny/predict", packed, f"Content-Encoding: {encoding}", "Connection: close")
    assert body_of(here.say(said)) == GOLDEN_ANSWER


def test_an_answer_in_pieces_comes_as_the_pieces_are_there(here: Running):
    client = http.client.HTTPConnection("127.0.0.1", here.port, timeout=10)
    client.request("GET", "/pieces?n=3&every=0.1")
    started = time.monotonic()
    answer = client.getresponse()
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.readline() == b"piece 0\n"
    assert time.monotonic() - started < 0.15
    assert answer.read() == b"piece 1\npiece 2\n"
    client.request("GET", "/pieces?n=2")
    assert client.getresponse().read() == b"piece 0\npiece 1\n"
    client.close()


def test_http_1_0_gets_pieces_without_chunks_and_may_keep_its_connection(here: Running):
    answer = here.say(b"GET /pieces?n=2 HTTP/1.0\r\n\r\n")
    assert body_of(answer) == b"piece 0\npiece 1\n"
    assert "transfer-encoding" not in head_of(answer)
    kept = b"GET /models/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    assert head_of(here.say(kept + b"GET /models/b HTTP/1.0\r\n\r\n"))["connection"] == "keep-alive"


def test_what_fails_in_the_middle_of_an_answer_doesnt_look_whole(
    here: Running, caplog: pytest.LogCaptureFixture
):
    client = http.client.HTTPConnection("127.0.0.1", here.port, timeout=10)
    client.request("GET", "/pieces?n=3&fail=2&every=0.02")
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        client.getresponse().read()
    client.close()
    assert here.golden() == GOLDEN_ANSWER
    assert "a request's answer failed" in caplog.text


def test_head_is_get_without_the_body(here: Running):
    answer = here.say(request("HEAD", "/models/a", "Connection: close"))
    assert status_of(answer) == 200
    assert int(head_of(answer)["content-length"]) == 1 + len(
        body_of(here.say(get("/models/a", "Connection: close")))
    )  # It echoes its method.
    assert body_of(answer) == b""
    assert body_of(here.say(request("HEAD", "/pieces", "Connection: close"))) == b""


def test_options_says_what_an_address_takes(here: Running):
    answer = here.say(request("OPTIONS", "/models/a", "Connection: close"))
    assert status_of(answer) == 204
    assert head_of(answer)["allow"] == "GET, HEAD, OPTIONS"
    assert status_of(here.say(request("OPTIONS", "*", "Connection: close"))) == 204
    assert status_of(here.say(request("OPTIONS", "/nowhere", "Connection: close"))) == 404


def test_other_methods_are_refused(here: Running):
    answer = here.say(request("DELETE", "/models/a", "Connection: close"))
    assert status_of(answer) == 405
    assert head_of(answer)["allow"] == "GET, HEAD, OPTIONS"
    assert status_of(here.say(request("TRACE", "/models/a", "Connection: close"))) == 405
    assert status_of(here.say(request("BREW", "/models/a"))) == 400  # The parser knows no such word.


def test_expect_100_continue(here: Running):
    with here.socket() as sock:
        sock.sendall(
            request("POST", "/models/tiny/predict", f"Content-Length: {len(GOLDEN)}", "Expect: 100-continue")
        )
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(GOLDEN)
        assert body_of(sock.recv(1000)) == GOLDEN_ANSWER
    refused = here.say(request("POST", "/nowhere", "Content-Length: 100", "Expect: 100-continue"))
    assert statuses_of(refused) == [404]
    assert statuses_of(here.say(post("/models/a/predict", GOLDEN, "Expect: rabbits"))) == [417]


def test_a_refused_body_is_read_over_and_the_connection_stays(here: Running):
    answer = here.say(post("/nowhere", b"x" * 1000) + get("/models/a", "Connection: close"))
    assert statuses_of(answer) == [404, 200]


def test_errors_have_the_shape_of_their_protocol(here: Running):
    said = {
        path: body_of(here.say(get(path, "Connection: close")))
        for path in ("/v1/x", "/v2/x", "/x", "/broken")
    }
    assert said["/v1/x"].startswith(b'{"error":"')
    assert b'"fix"' not in said["/v1/x"]
    assert said["/v2/x"].startswith(b'{"error":"')
    assert b'"fix"' not in said["/v2/x"]
    assert b'"fix":"GET /openapi.json' in said["/x"]
    assert b"secret" not in said["/broken"]
    assert b"request " in said["/broken"]


def test_a_request_id_is_kept_where_it_is_a_plain_word(here: Running):
    assert (
        head_of(here.say(get("/models/a", "X-Request-Id: abc-1", "Connection: close")))["x-request-id"]
        == "abc-1"
    )
    for bad in ("a b", "a" * 129, "é", '"x"', ""):
        assert (
            head_of(here.say(get("/models/a", f"X-Request-Id: {bad}", "Connection: close")))["x-request-id"]
            != bad
        )


def test_who_offers_another_protocol_is_answered_in_http_1_1(here: Running):
    """Java's client and `curl --http2` offer h2c with each request, those with a body too."""
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    assert statuses_of(
        here.say(get("/models/a", *offer) + get("/models/b", *offer, "Connection: close"))
    ) == [200, 200]
    assert (
        body_of(here.say(post("/models/tiny/predict", GOLDEN, *offer, "Connection: close"))) == GOLDEN_ANSWER
    )
    chunks = request(
        "POST", "/models/tiny/predict", "Transfer-Encoding: chunked", *offer, "Connection: close"
    )
    for cut in (len(chunks) - 1, len(chunks), len(chunks) + 7):
        whole = chunks + b'9\r\n{"x": 20}\r\n0\r\n\r\n'
        assert body_of(here.say(whole[:cut], whole[cut:])) == GOLDEN_ANSWER


def test_every_request_is_told_once(here: Running):
    before = len(here.server.told)
    here.say(get("/models/a") + get("/nowhere") + request("OPTIONS", "/models/a") + b"nonsense\r\n\r\n")
    assert here.server.told[before:] == [
        ("GET", "/models/a", 200),
        ("GET", "/nowhere", 404),
        ("OPTIONS", "/models/a", 204),
        ("", "", 400),
    ]


def test_slow_answers_end():
    with running(limits=Limits(seconds_to_answer=0.3)) as server:
        answer = server.say(get("/slow?seconds=30", "Connection: close"))
        assert status_of(answer) == 503
        assert head_of(answer)["retry-after"] == "1"
        assert len(server.server.cancelled) == 1
        assert server.server.told_why == [LATE]
        assert len(server.server.told) <= 1


def test_a_client_that_goes_cancels_its_work(here: Running):
    with here.socket() as sock:
        sock.sendall(get("/slow?seconds=30", "X-Request-Id: goes-1"))
        time.sleep(0.05)
    with here.socket() as sock:
        sock.sendall(get("/pieces?n=1000&every=0.01", "X-Request-Id: goes-2"))
        sock.recv(100)
    until = time.monotonic() + 2
    while time.monotonic() < until and not (
        "goes-1" in here.server.cancelled and "goes-2" in here.server.ended
    ):
        time.sleep(0.01)
    assert "goes-1" in here.server.cancelled
    assert "goes-2" in here.server.ended


def test_closing_lets_what_runs_end():
    with running() as server:
        sock = server.socket()
        idle = server.socket()
        sock.sendall(get("/slow?seconds=0.3"))
        time.sleep(0.05)
    answer = sock.recv(1000)
    assert body_of(answer) == b'{"slow":true}'
    assert head_of(answer)["connection"] == "close"
    assert idle.recv(10) == b""
    sock.close()
    idle.close()


def test_pages_of_listed_origins_may_read():
    with running(access=Access(origins=("https://app.example",))) as server:
        preflight = server.say(
            request(
                "OPTIONS", "/models/a/predict", "Origin: https://app.example", "Access-Control-Request-Method: POST",
                "Connection: close",
            )
        )  # fmt: skip
        assert status_of(preflight) == 204
        assert head_of(preflight)["access-control-allow-origin"] == "https://app.example"
        assert "content-type" in head_of(preflight)["access-control-allow-headers"]
        answer = server.say(
            post("/models/a/predict", GOLDEN, "Origin: https://app.example", "Connection: close")
        )
        assert head_of(answer)["access-control-allow-origin"] == "https://app.example"
        assert head_of(answer)["vary"] == "Origin"
        assert "access-control-allow-credentials" not in head_of(answer)
        missing = server.say(get("/nowhere", "Origin: https://app.example", "Connection: close"))
        assert (status_of(missing), head_of(missing)["access-control-allow-origin"]) == (
            404,
            "https://app.example",
        )
