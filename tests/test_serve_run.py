"""The whole server, as it is started: from the command line to the last answer, in processes of its own."""

from __future__ import annotations

import http.client
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from served import HOUSES, SIMPLE, Served, served
from serving import a_server, ask, servable

from drivetrain.cli.main import main
from drivetrain.errors import BundleError
from drivetrain.serve.access import digest
from drivetrain.serve.counters import Counters
from drivetrain.serve.load_settings import load_settings
from drivetrain.serve.protocols import routes
from drivetrain.serve.repository import Held, Model, Repository
from drivetrain.serve.run import _refuse_nothing
from drivetrain.serve.settings import ModelSettings, Settings

INFER = "/v2/models/houses/infer"


def price(server: Served) -> float:
    status, answer = server.ask("POST", INFER, SIMPLE)
    assert status == 200, answer
    return answer["outputs"][0]["data"][0]


def total(server: Served, name: str) -> float:
    """The sum over a metric's series."""
    lines = server.ask("GET", "/metrics")[1].splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))


def test_a_bundle_is_served_and_what_became_of_each_request_is_told() -> None:
    with served(HOUSES) as server:
        assert server.models == ["format-1-houses"]
        infer = INFER.replace("houses", server.models[0])
        assert server.ask("GET", "/health/live") == (200, {"live": True})
        assert server.ask("GET", "/health/ready") == (200, {"ready": True})
        assert server.ask("POST", infer, SIMPLE, {"X-Request-Id": "order-17"})[0] == 200
        assert server.ask("POST", infer, b"{", {"X-Request-Id": "no-json"})[0] == 400
        assert server.ask("GET", "/nowhere%C3%A9")[0] == 404
        text = server.ask("GET", "/metrics")[1]
        of = f'model="{server.models[0]}",version="1",protocol="v2",status="200"'
        assert f"drivetrain_requests_total{{{of}}} 1\n" in text
        assert server.stop() == 0
        lines = {line.get("id"): line for line in server.log if line["event"] == "request"}
        assert lines["order-17"]["model"] == server.models[0]
        assert (lines["order-17"]["status"], lines["no-json"]["status"]) == (200, 400)
        assert len(lines) == 6
        assert server.log[-1]["event"] == "stopped"


def test_a_server_that_others_reach_without_a_key_says_so() -> None:
    with served(HOUSES, "--host", "0.0.0.0") as server:
        assert [line["level"] for line in server.log if line["event"] == "open to all"] == ["warning"]
    with served(HOUSES) as server:
        assert not [line for line in server.log if line["event"] == "open to all"]


def until_it_answers(process: subprocess.Popen[Any], port: int) -> None:
    asker, end = Served.__new__(Served), time.monotonic() + 20
    asker.host, asker.port = "127.0.0.1", port
    while time.monotonic() < end and process.poll() is None:
        try:
            item = {"area": 80, "town": "Ulm"}
            assert asker.ask("POST", "/models/format-1-houses/predict", item)[0] == 200
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"it doesn't answer: {process.poll()}")


@pytest.mark.parametrize("none", ["closed", "unread"])
def test_it_serves_without_standard_files_and_writes_its_log_into_no_other(none: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
    command = [sys.executable, "-m", "drivetrain", "serve", str(HOUSES), "--http", str(port)]
    command += ["--records", f"sqlite:///{tmp_path}/r"]
    unread, written = os.pipe()
    os.close(unread)

    def close() -> None:
        os.closerange(0, 3)

    how = {"preexec_fn": close} if none == "closed" else {"stdout": written, "stderr": written}
    process = subprocess.Popen(command, **how)  # type: ignore[call-overload]
    os.close(written)
    try:
        until_it_answers(process, port)
        assert process.poll() is None
        if none == "closed":
            found = {os.readlink(f"/proc/{process.pid}/fd/{number}") for number in range(3)}
            assert found == {os.devnull}
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    assert main(["records", f"sqlite:///{tmp_path}/r", "--json"]) == 0


def test_a_key_for_one_model_learns_nothing_of_another(tmp_path: Path) -> None:
    for name in ("houses", "xenolith"):
        (tmp_path / "models" / name).mkdir(parents=True)
        shutil.copy(HOUSES, tmp_path / "models" / name / "1.bundle")
    toml = f'[[access.keys]]\nname = "all"\nsha256 = "{digest("all")}"\nrights = ["infer", "read"]\n'
    toml += f'[[access.keys]]\nname = "one"\nsha256 = "{digest("one")}"\nmodels = ["houses"]\n'
    (tmp_path / "serve.toml").write_text(toml)
    with served(tmp_path / "models", "--config", str(tmp_path / "serve.toml")) as server:
        one, every = ({"Authorization": f"Bearer {key}"} for key in ("one", "all"))
        assert server.ask("POST", INFER.replace("houses", "xenolith"), SIMPLE, every)[0] == 200
        seen = set[str]()
        for route in routes():
            path = route.pattern.format(model="xenolith", version=1, label="x", file="style.css")
            body = b"{}" if route.method == "POST" else None
            status, found = server.ask(route.method, path, body, one)
            if "{model}" in route.pattern:
                assert status == 403 or route.right == "open", path
            else:
                assert "xenolith" not in json.dumps(found), path
                if "xenolith" in json.dumps(server.ask(route.method, path, body, every)[1]):
                    seen.add(path)
        assert {"/metrics", "/models", "/openapi.json", "/v2/repository/index", "/v2/models/stats"} <= seen


def test_the_parent_can_fork_at_any_moment() -> None:
    with served(HOUSES) as server:
        parent = Path(f"/proc/{server.process.pid}")
        assert "\nThreads:\t1\n" in (parent / "status").read_text()
        maps = (parent / "maps").read_text()
        assert not any(name in maps for name in ("numpy", "onnxruntime", "uvloop", "grpc"))
        assert "numpy" in Path(f"/proc/{server.workers[0]}/maps").read_text()


def test_several_workers_answer_and_count_together_and_the_dead_are_replaced(tmp_path: Path) -> None:
    shutil.copy(HOUSES, tmp_path / "houses.bundle")
    with served(tmp_path, "--workers", "2") as server:
        assert len(server.workers) == 2
        assert {price(server) for _ in range(20)} == {4000.0}
        assert total(server, "drivetrain_rows_total") == 20
        for worker in server.workers:
            os.kill(worker, signal.SIGKILL)
        begun = time.monotonic()
        assert price(server) == 4000.0
        assert time.monotonic() - begun < 10  # On a machine that does nothing else less than half a second.
        assert total(server, "drivetrain_rows_total") == 21  # What the dead had counted is not lost.
        assert total(server, "drivetrain_worker_restarts_total") == 2
        assert server.stop() == 0


def test_under_load_every_request_is_answered_or_refused_when_the_end_comes(tmp_path: Path) -> None:
    shutil.copy(HOUSES, tmp_path / "houses.bundle")
    answered, refused, lost = [], [], []
    with served(tmp_path) as server:

        def call() -> None:
            """As a client does: a connection is kept, and one that was closed before the answer began is opened anew, once."""
            connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
            while True:
                try:
                    connection.request("POST", INFER, body, {"Content-Type": "application/json"})
                    response = connection.getresponse()
                    response.read()
                    (answered if response.status == 200 else refused).append(response.status)
                except ConnectionRefusedError:
                    refused.append(0)
                    return
                except (http.client.RemoteDisconnected, BrokenPipeError):
                    connection.close()  # It was closed while it was idle: safe to ask again.
                except (OSError, http.client.HTTPException) as fault:
                    lost.append(repr(fault))
                    return

        body = json.dumps(SIMPLE)
        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        assert server.stop() == 0
        for thread in threads:
            thread.join()
    assert len(answered) > 50
    assert not lost
    assert refused.count(0) == 8


def test_a_request_that_has_begun_to_arrive_is_answered_after_the_server_was_told_to_end(
    tmp_path: Path,
) -> None:
    body = json.dumps(SIMPLE).encode()
    head = f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    shutil.copy(HOUSES, tmp_path / "houses.bundle")
    with served(tmp_path / "houses.bundle") as server:
        with socket.create_connection((server.host, server.port), timeout=10) as caller:
            caller.sendall(head + body[:20])
            time.sleep(0.1)
            server.process.terminate()
            time.sleep(0.5)
            caller.sendall(body[20:])
            answer = b"".join(iter(lambda: caller.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"Connection: close" in answer
        assert server.process.wait(20) == 0


def test_a_version_that_appears_is_served_at_once_when_the_server_is_told_to_look(tmp_path: Path) -> None:
    place = tmp_path / "houses"
    place.mkdir()
    shutil.copy(HOUSES, place / "1.bundle")
    (tmp_path / "serve.toml").write_text('[server]\npath = "."\nreload_seconds = 0\n')
    (tmp_path / "half.bundle").write_bytes(HOUSES.read_bytes()[:100])
    with served(tmp_path, "--config", str(tmp_path / "serve.toml")) as server:
        assert server.models == ["houses"], "what failed isn't said to be served"
        shutil.copy(HOUSES, place / ".2.bundle")
        (place / ".2.bundle").rename(place / "2.bundle")
        assert server.ask("GET", "/v2/models/houses/versions/2/ready")[0] != 200
        server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 5
        while server.ask("GET", "/v2/models/houses/versions/2/ready")[0] != 200:
            assert time.monotonic() < end
            time.sleep(0.02)
        assert server.ask("POST", INFER, SIMPLE)[1]["model_version"] == "2"
        assert any(line["event"] == "model ready" and line.get("version") == 2 for line in server.log)


def test_a_run_is_not_served_and_its_export_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.toml").write_text("format = 1")
    with pytest.raises(BundleError, match="drivetrain export"):
        _refuse_nothing(str(tmp_path), Repository(Settings(str(tmp_path))), Counters())


BUTCHER = """
import os, signal, sys
from drivetrain.cli import run
from drivetrain.codecs.number import Number
read = Number._read_column
def killing(self, values):
    if 666 in (values := list(values)):
        os.kill(os.getpid(), signal.SIGKILL)
    return read(self, values)
Number._read_column = killing
run()
"""


def test_an_input_that_kills_its_worker_twice_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    shutil.copy(HOUSES, tmp_path / "houses.bundle")
    (tmp_path / "butcher.py").write_text(BUTCHER)
    command = [sys.executable, str(tmp_path / "butcher.py"), "serve", str(tmp_path), "--http", "0", "--json"]
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True)
    try:
        server = Served(process, log)
        killer, other = {"area": 666, "town": "Ulm"}, {"area": 80, "town": "Ulm"}
        for _ in range(2):
            with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
                server.ask("POST", "/models/houses/predict", killer)
            assert server.ask("POST", "/models/houses/predict", other)[0] == 200
        status, answer = server.ask("POST", "/models/houses/predict", killer)
        assert status == 400
        assert "not tried any more" in answer["error"]
        assert server.ask("POST", "/models/houses/predict", other)[0] == 200
        assert total(server, "drivetrain_quarantined_total") == 1
        assert server.stop() == 0
        assert [line["quarantined"] for line in server.log if line["event"] == "worker died"] == [0, 1]
    finally:
        process.kill()
        process.communicate()


def test_a_full_queue_refuses_before_it_reads(tmp_path: Path) -> None:
    server = a_server(servable("houses"))
    model = server.router.servables["houses", 1]
    model.batcher = None
    server.repository = SimpleNamespace(
        models={"houses": Model("houses", ModelSettings(), {1: Held(model, 0.0)})}
    )
    batcher = server.batcher(model)
    batcher.rows, batcher._look_again = batcher._queue, math.inf
    try:
        answer = ask(server, "POST", "/models/houses/predict", b"this is not parsed")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert ask(server, "GET", "/models").status != 503
    finally:
        model.batcher = None


def test_what_cannot_be_served_is_one_line_and_an_exit_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken.bundle"
    broken.write_bytes(HOUSES.read_bytes()[:-200])
    for path, code, words in (
        (tmp_path / "nowhere", 1, "no such file or folder"),
        (tmp_path / "empty", 1, "no model"),
        (broken, 1, "broken.bundle"),
    ):
        assert main(["serve", str(path), "--http", "0"]) == code
        said = [line for line in capfd.readouterr().err.splitlines() if not line.startswith("{")]
        assert len(said) == 1
        assert words in said[0]
        assert said[0].startswith("drivetrain: ")
    config = tmp_path / "serve.toml"
    config.write_text("[server]\nworkrs = 3\n")
    assert main(["serve", str(HOUSES), "--config", str(config)]) == 2
    assert "Did you mean workers?" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--http", "70000"], "'70000' is no port"),
        (["--http", "x"], "'x' is no port"),
        (["--http", "off"], "without HTTP and gRPC"),
        (["--workers", "0"], "at least 1 worker"),
        (["--host", "192.0.2.7"], "no address of this machine"),
    ],
)
def test_options_that_cannot_be_meant(
    options: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", str(HOUSES), *options]) == 2
    assert words in capfd.readouterr().err


def test_a_path_is_needed(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["serve"]) == 2
    assert "nothing to serve" in capfd.readouterr().err


def test_a_new_key_is_printed_once_and_its_lines_are_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--new-key", 'the "shop"']) == 0
    printed = capsys.readouterr().out
    key = next(word for word in printed.split() if word.startswith("dt_"))
    config = tmp_path / "serve.toml"
    config.write_text(printed[printed.index("[[access.keys]]") :])
    (found,) = load_settings(config, path=str(HOUSES)).access.keys
    assert found.name == 'the "shop"'
    assert found.sha256 == digest(key)
