"""Ctrl-C, and worse: what is left can be gone on with, or is nothing."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
from commands import Done, drivetrain, finish, start, tree
from pictures import class_folder, picture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs the signals of POSIX"),
]
EPOCHS = 6
OPTIONS = ("--model", "linear", "--epochs", EPOCHS, "--batch-size", "4", "--no-check")


@pytest.fixture(autouse=True)
def _interrupts_arrive() -> None:
    """A shell starts what runs in the background with the interrupt ignored, and children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt_after_epoch(process: subprocess.Popen[str], epoch: int, number: signal.Signals) -> Done:
    """Send a signal to a training's process group when it has told of an epoch."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.split()[:1] == [f"{epoch}/{EPOCHS}"]:
            os.killpg(process.pid, number)
            break
    return finish(process)


def check_whole(done: Done, run: Path) -> None:
    assert done.code == 0, done.err
    assert done.json["epochs"] == EPOCHS
    assert len((run / "metrics.jsonl").read_text().splitlines()) == EPOCHS
    assert (run / "report.html").is_file()


def test_ctrl_c_tells_the_command_that_goes_on_and_it_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class_folder(tmp_path / "my pictures", {"cat": 20, "dog": 20}, size=(16, 16))
    process = start(
        "train", "my pictures", *OPTIONS, "--out", "my run", "--export", "it's a.bundle", cwd=tmp_path
    )
    stopped = interrupt_after_epoch(process, 2, signal.SIGINT)
    assert stopped.code == 130
    assert stopped.out == ""
    line = stopped.err.splitlines()[-1]
    assert line.startswith(
        f"drivetrain: my run: stopped in epoch 3 of {EPOCHS}. Go on with: drivetrain train "
    )
    assert "Traceback" not in stopped.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my pictures", "my run"]
    assert not list(tmp_path.rglob("*.tmp"))
    shown = drivetrain("show", tmp_path / "my run")
    assert "not finished" in shown.out
    program, *command = shlex.split(line.partition("Go on with: ")[2])
    assert program == "drivetrain"
    monkeypatch.chdir(tmp_path)
    check_whole(drivetrain(*command, "--json"), tmp_path / "my run")
    assert drivetrain("verify", "it's a.bundle").code == 0


def test_kill_leaves_a_run_to_resume_from_the_last_epoch(tmp_path: Path) -> None:
    class_folder(tmp_path / "p", {"cat": 20, "dog": 20}, size=(16, 16))
    run = tmp_path / "run"
    killed = interrupt_after_epoch(
        start("train", tmp_path / "p", *OPTIONS, "--out", run, "--json"), 3, signal.SIGKILL
    )
    assert (killed.code, killed.out) == (-signal.SIGKILL, "")
    resumed = drivetrain("train", tmp_path / "p", "--out", run, "--resume", "--json")
    check_whole(resumed, run)
    told = [line.split()[0] for line in resumed.err.splitlines() if f"/{EPOCHS}" in line]
    assert told[0] in (f"3/{EPOCHS}", f"4/{EPOCHS}"), "it goes on from the epoch that was saved last"


def test_ctrl_c_with_json_gives_one_object(tmp_path: Path) -> None:
    class_folder(tmp_path / "p", {"cat": 20, "dog": 20}, size=(16, 16))
    process = start("train", tmp_path / "p", *OPTIONS, "--out", tmp_path / "run", "--json")
    stopped = interrupt_after_epoch(process, 1, signal.SIGINT)
    assert stopped.code == 130
    assert stopped.json.keys() == {"error", "where", "fix"}
    assert stopped.json["where"] == str(tmp_path / "run")
    assert "--resume" in stopped.json["fix"]


def test_ctrl_c_while_encoding_leaves_nothing(tmp_path: Path) -> None:
    """Enough pictures for several processes, which take a while to decode: all get the signal, as from a terminal."""
    folder, cache = tmp_path / "p", tmp_path / "cache"
    for kind, label in enumerate(("cat", "dog")):
        (folder / label).mkdir(parents=True)
        picture(kind, (640, 640)).save(folder / label / "0.png")
        data = (folder / label / "0.png").read_bytes()
        for number in range(1, 1000):
            (folder / label / f"{number}.png").write_bytes(data + b"%d" % number)
    options = (*OPTIONS, "--image-size", "32", "--out", tmp_path / "run")
    process = start("train", folder, *options, DRIVETRAIN_CACHE=str(cache))
    while not list(cache.glob("stores/.*.tmp/array.npy")) and process.poll() is None:
        pass
    os.killpg(process.pid, signal.SIGINT)
    done = finish(process)
    assert done.code == 130, done.err
    assert done.err.splitlines()[-1] == "drivetrain: stopped."
    assert "Traceback" not in done.err
    assert not [name for name in tree(cache) if name.count("/") > 0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("stage", "words", "command"),
    [
        (
            "drivetrain.export.bundle.write_bundle",
            "the run is whole",
            ["export", "my run", "it's a.bundle", "--force"],
        ),
        ("drivetrain.report.page.write_report", "stopped after the last epoch", ["train", "--resume"]),
    ],
)
def test_ctrl_c_after_the_training_tells_what_is_left_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, words: str, command: list[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    class_folder(tmp_path / "p", {"cat": 8, "dog": 8}, size=(16, 16))
    monkeypatch.chdir(tmp_path)
    options = ("--model", "linear", "--epochs", "1", "--batch-size", "4", "--no-check")
    with monkeypatch.context() as patch:
        patch.setattr(stage, interrupt)
        done = drivetrain("train", "p", *options, "--out", "my run", "--export", "it's a.bundle", "--force")
    assert done.code == 130
    assert words in done.err.splitlines()[-1]
    program, *again = shlex.split(done.err.partition("Go on with: ")[2])
    assert program == "drivetrain"
    assert [word for word in again if word in command] == command
    assert drivetrain(*again).code == 0
    assert drivetrain("verify", "it's a.bundle").code == 0
