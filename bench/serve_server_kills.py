"""A server that records is killed at random moments while callers ask it: nothing acknowledged is lost, nothing is broken.

Claim: after 1,000 kills (SIGKILL) of workers, and of whole servers, under load and with records on, every answer whose record id
was given out is in the store, the store and the repository are whole, every version answers as before, and a killed worker is
there again within 2 s.
Method: a server as users start it, with a SQLite store; four callers ask raw items, each with a key of its own, and keep the ids
that they are given. A worker is killed 0 to 0.3 s after the last one was ready; every twentieth time the parent, and the server is
started again; every fiftieth time a new version is put into the repository meanwhile. At the end the server is stopped as it
should be, and every id is looked for.
Machine, n and date: in results/serve_server_kills.json.  Run: python bench/serve_server_kills.py [--kills 1000]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from common import spread, write_result

from drivetrain.records import open_store
from drivetrain.runtime import verify_bundle

HOUSES = Path(__file__).parent.parent / "tests" / "bundles" / "format-1-houses.bundle"
CALLERS = 4
ITEM, PRICE = {"area": 80, "town": "Ulm"}, 2000.0


class Server:
    """A server that is started again when it was killed."""

    def __init__(self, models: Path, store: Path, log: Path) -> None:
        self.command = [
            sys.executable, "-m", "drivetrain", "serve", str(models), "--records", f"sqlite:///{store}", "--json", "--http",
        ]  # fmt: skip
        self.log, self.port = log, 0
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, str(self.port)], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout
        line = self.process.stdout.readline()
        if '"http"' not in line:
            sys.exit(f"the server didn't begin: {line}\n{self.log.read_text()[-2000:]}")
        self.port = int(json.loads(line)["http"].rpartition(":")[2])

    def worker(self) -> int:
        while True:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            if children:
                return int(children[0])
            time.sleep(0.001)

    def ask(self, method: str, path: str, body: object = None, key: str = "") -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body and json.dumps(body), {"X-Record-Key": key} if key else {})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


def kills(folder: Path, many: int, seed: int = 0) -> dict[str, Any]:
    """What became of so many kills."""
    draw = random.Random(seed)
    models, store = folder / "models", folder / "answers.db"
    (models / "houses").mkdir(parents=True)
    shutil.copy(HOUSES, models / "houses" / "1.bundle")
    server = Server(models, store, folder / "log")
    acknowledged: list[str] = []
    wrong: list[str] = []
    cut, done = [0], threading.Event()

    def call(number: int) -> None:
        count = 0
        while not done.is_set():
            count += 1
            try:
                status, answer = server.ask("POST", "/models/houses/predict", ITEM, f"{number}-{count}")
            except (OSError, http.client.HTTPException, ValueError):
                cut[0] += 1
                time.sleep(0.01)
                continue
            if status != 200 or answer["answers"][0].get("value") != PRICE:
                wrong.append(json.dumps(answer))
            else:
                acknowledged.extend(filter(None, answer["ids"]))

    callers = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    again: list[float] = []
    version = 1
    for number in range(1, many + 1):
        time.sleep(draw.uniform(0, 0.3))
        if number % 50 == 0:
            version += 1
            copied = models / "houses" / f".{version}.bundle"
            shutil.copy(HOUSES, copied)
            copied.rename(models / "houses" / f"{version}.bundle")
        if number % 20 == 0:
            server.process.kill()
            server.process.wait()
            wait_for_port(server.port)
            server.start()
            continue
        os.kill(server.worker(), signal.SIGKILL)
        begun = time.perf_counter()
        while True:
            try:
                if server.ask("GET", "/health/ready")[0] == 200:
                    break
            except (OSError, http.client.HTTPException):
                time.sleep(0.002)
        again.append(time.perf_counter() - begun)
    done.set()
    for caller in callers:
        caller.join()
    newest = server.ask("POST", "/models/houses/predict", ITEM)[1]["version"]
    server.process.terminate()
    code = server.process.wait(60)
    with open_store(f"sqlite:///{store}") as found:
        there = {record.id for record in found.find(limit=10**9)}
    for path in (models / "houses").glob("*.bundle"):
        assert verify_bundle(path, trusted=True).ok
    return {
        "kills": many, "answers acknowledged": len(acknowledged), "connections cut": cut[0], "wrong answers": wrong[:3],
        "acknowledged and lost": len(set(acknowledged) - there), "in the store": len(there),
        "seconds until a killed worker is there again": spread(again), "newest version": [version, newest],
        "exit code at the end": code,
    }  # fmt: skip


def wait_for_port(port: int) -> None:
    """The workers of a parent that was killed go by themselves."""
    import socket

    while True:
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
                return
            except OSError:
                time.sleep(0.005)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    with tempfile.TemporaryDirectory() as folder:
        figures = kills(Path(folder), parser.parse_args().kills)
    claim = (
        "kills of servers that record lose nothing acknowledged and break nothing; <= 2 s to be there again"
    )
    write_result("serve_server_kills", claim, figures)


if __name__ == "__main__":
    main()
