"""The suite that asks servers for their protocols: it can fail, it says why, and ours holds (which test_serve_protocols tries)."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from drivetrain.testing.protocols import FAIL, PASS, SKIP, Target, cases, run
from drivetrain.testing.protocols.__main__ import main
from drivetrain.testing.protocols.suite import Unmet, add


class Obliging(BaseHTTPRequestHandler):
    """Says 200 and the same object to everything."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps(self.server.said).encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer

    def log_message(self, *args: object) -> None:
        del args


@pytest.fixture
def obliging() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Obliging)
    server.said = {}  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def _url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_there_are_150_named_cases_and_more_of_each_protocol() -> None:
    found = cases()
    assert len(found) >= 150
    assert all(each.about and each.source for each in found)
    groups = Counter(each.name.partition(".")[0] for each in found)
    assert groups.keys() == {"v2", "http", "v1", "grpc", "tfgrpc"}
    assert sum(each.must for each in found) > len(found) / 2


def test_a_case_has_a_name_of_its_own() -> None:
    with pytest.raises(ValueError, match=r"v2\.live"):
        add("v2.live", "again", lambda _: None, source="")


def test_a_server_that_says_yes_to_everything_fails(obliging: ThreadingHTTPServer) -> None:
    results = {each.case.name: each for each in run(Target(_url(obliging)), cases(["v2.", "v1.unknown"]))}
    assert results["v2.live"].outcome == PASS
    for name in (
        "v2.metadata.name_and_version",
        "v2.infer.sum_and_difference",
        "v2.infer.id",
        "v2.model.ready.unknown",
    ):
        assert results[name].outcome == FAIL, name
        assert results[name].reason
    refusals = [each for name, each in results.items() if name.startswith("v2.refused.")]
    assert all(each.outcome == FAIL for each in refusals)
    assert results["v2.binary.inputs"].outcome == SKIP


def test_a_number_that_is_wrong_is_found(obliging: ThreadingHTTPServer) -> None:
    output = {
        "name": "OUTPUT0",
        "datatype": "INT32",
        "shape": [1, 16],
        "data": [n + 1 for n in range(15)] + [99],
    }
    obliging.said = {"outputs": [output, {**output, "name": "OUTPUT1"}]}  # type: ignore[attr-defined]
    (result,) = run(Target(_url(obliging)), cases(["v2.infer.sum_and_difference"]))
    assert result.outcome == FAIL
    assert "99" in result.reason


def test_the_command_says_what_fails(
    obliging: ThreadingHTTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([_url(obliging), "--only", "v2.live", "--only", "v2.infer.id"]) == 3
    told = capsys.readouterr().out
    assert "ok    v2.live" in told
    assert "FAIL  v2.infer.id" in told
    obliging.said = {"live": True}  # type: ignore[attr-defined]
    assert main([_url(obliging), "--only", "v2.live", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hold"] == 2
    assert main(["--list"]) == 0
    assert "v2.datatype.BYTES" in capsys.readouterr().out


@pytest.mark.parametrize(
    "given", [[], ["ftp://a"], ["http://127.0.0.1:9"], ["http://127.0.0.1:9", "--only", "nothing"]]
)
def test_the_command_refuses_in_a_line(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(given) in (1, 2)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "Traceback" not in told


def test_no_answer_is_a_failure_not_a_crash() -> None:
    (result,) = run(Target("http://127.0.0.1:9"), cases(["v2.live"])[:1])
    assert result.outcome == FAIL
    assert issubclass(Unmet, Exception)
