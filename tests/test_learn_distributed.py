"""Training on two processes: the result of one, one writer, and what happens when a process is lost."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import several
import torch
from commands import Done, drivetrain, finish

from drivetrain.data.share import Share
from drivetrain.errors import UsageError
from drivetrain.files import from_json
from drivetrain.learn.by_name import make_learner
from drivetrain.learn.distributed import processes
from drivetrain.learn.runs import checkpoints

PROGRAM = str(Path(several.__file__))
CASES = (
    "columns",
    "shards",
    "weighted",
    "amounts",
    "pictures",
    "last",
    "mixed",
    "normed",
    "resumed",
    "beside",
    "walks",
)
TOLERANCE = 1e-5
LOSSES = ("train_loss", "valid_loss", "train_error", "valid_error", "judge_loss")
EPOCHS = 30
"""Long enough for a signal to come in the middle."""
TRAIN = ("--epochs", str(EPOCHS), "--batch-size", "30", "--model", "mlp", "--no-check", "--target", "label")

torchrun = pytest.mark.skipif(
    importlib.util.find_spec("torch.distributed.run") is None or not torch.distributed.is_gloo_available(),
    reason="this build of torch has no torchrun with gloo",
)
kills = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="finds the processes through /proc, as on Linux"
)


def start(*arguments: object, cwd: Path, restarts: int = 0, **environment: str) -> subprocess.Popen[str]:
    """Start a program, or `-m module`, on two processes."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        f"--max-restarts={restarts}",
    ]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **environment}
    return subprocess.Popen(
        [*command, *map(str, arguments)], cwd=cwd, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, encoding="utf-8", start_new_session=True,
    )  # fmt: skip


def run(*arguments: object, cwd: Path, **options: str) -> Done:
    return finish(start(*arguments, cwd=cwd, **options), timeout=280)


def difference(one: Path, two: Path) -> tuple[float, float]:
    """The largest difference between two runs' weights, and between their losses."""
    states = [checkpoints.load(folder / "checkpoints") for folder in (one, two)]
    assert states[0] is not None
    assert states[1] is not None
    tensors = [state.tensors for state in states if state is not None]
    names = [
        name
        for name in tensors[0]
        if name.startswith(("network.", "average.", "beside.")) and tensors[0][name].numel()
    ]
    weights = max(
        float((tensors[0][name].double() - tensors[1][name].double()).abs().max()) for name in names
    )
    histories = [state.progress["history"] for state in states if state is not None]
    assert len(histories[0]) == len(histories[1]) > 0
    assert all(a.keys() == b.keys() for a, b in zip(*histories))
    known = [
        (a[name], b[name])
        for a, b in zip(*histories)
        for name in LOSSES
        if a.get(name, b.get(name)) is not None
    ]
    losses = max(abs(one - other) for one, other in known)
    return weights, losses


# --- shares ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shares_are_stretches_that_make_the_whole_and_differ_by_one_row(count: int) -> None:
    for total in range(1, 25):
        shares = [Share.of(total, rank, count) for rank in range(count)]
        rows = [row for share in shares if not share.idle for row in range(total)[share.rows]]
        assert rows == list(range(total))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
        assert all(range(total)[share.rows] for share in shares), "every process has a row to work on"


def test_alone_nothing_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    together = processes.start()
    assert together.share(10) is None
    assert together.any(True, False) == (True, False)
    assert together.from_first(lambda: {"a": 1}) == {"a": 1}
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert not processes.is_first()
    assert processes.count() == 2
    with pytest.raises(UsageError, match="one process"):
        make_learner(several.columns(), "trees")
    monkeypatch.setenv("RANK", "one")
    with pytest.raises(UsageError, match="not a whole number"):
        processes.rank()


@pytest.mark.parametrize("variables", [{"RANK": "one"}, {"WORLD_SIZE": "2", "RANK": "one"}])
def test_what_torchrun_sets_and_cannot_be_read_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    told = "'one' is not a whole number."
    done = drivetrain("train", tmp_path)
    assert (done.code, done.err) == (2, f"drivetrain: RANK: {told}\n")
    done = drivetrain("train", tmp_path, "--json")
    assert (done.code, done.json) == (2, {"error": told, "where": "RANK", "fix": ""})


def test_shards_and_averages_exclude_each_other() -> None:
    from drivetrain.learn.settings import Settings

    with pytest.raises(UsageError, match="averages"):
        Settings(shard=True, ema=0.9)


@pytest.mark.slow
def test_a_restart_goes_on_where_there_is_a_run_and_begins_where_there_is_none(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    command = ("train", table, *TRAIN, "--out", out, "--json")
    for name, value in {"RUN_ID": "one", "RESTART_COUNT": "1", "MAX_RESTARTS": "1"}.items():
        monkeypatch.setenv(f"TORCHELASTIC_{name}", value)
    (out / "checkpoints").mkdir(parents=True)  # killed at once
    begun = drivetrain(*command)
    assert begun.json["epochs"] == EPOCHS
    gone_on = drivetrain(*command)
    assert gone_on.json["metrics"] == begun.json["metrics"]
    assert "epoch" not in gone_on.err, "nothing was left to train"
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    assert "something in it" in drivetrain(*command).err, "and no JSON while torchrun will try again"


# --- two processes --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("several") / "two"
    done = run(PROGRAM, folder, *CASES, "spoilt", cwd=folder.parent)
    assert done.code == 0, done.err
    return folder


@torchrun
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", CASES)
def test_two_processes_end_as_one_does(two: Path, tmp_path: Path, case: str) -> None:
    made, epochs = several.learner(case, tmp_path / case)
    made.fit(epochs, lr=3e-3)
    weights, losses = difference(tmp_path / case, two / case)
    assert weights < TOLERANCE
    assert losses < TOLERANCE
    results = [from_json((folder / case / "result.json").read_bytes()) for folder in (two, tmp_path)]
    for name, value in results[0]["metrics"]["valid"].items():
        assert value["value"] == pytest.approx(results[1]["metrics"]["valid"][name]["value"], abs=1e-4)


@torchrun
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_first_process_writes_and_speaks_and_all_have_the_result(two: Path) -> None:
    told = [(two / f"pictures-{rank}.txt").read_text() for rank in (0, 1)]
    assert told[0] == told[1].replace("False", "True", 1) != told[1]


@torchrun
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_loss_that_is_no_number_in_one_process_stops_all_with_its_error(two: Path) -> None:
    told = [(two / f"spoilt-{rank}.txt").read_text() for rank in (0, 1)]
    assert told[0] == told[1]
    assert "epoch 1, batch 3 of 8" in told[0]
    assert "'number' has it already" in told[0]


@torchrun
@pytest.mark.slow
@pytest.mark.timeout(200)
def test_an_error_in_one_process_ends_the_other_with_a_word_about_it(tmp_path: Path) -> None:
    done = run(PROGRAM, tmp_path / "out", "failing", cwd=tmp_path)
    assert done.code == 1
    assert "No space left" in (tmp_path / "out" / "failing-1.txt").read_text()
    told = (tmp_path / "out" / "failing-0.txt").read_text()
    assert told.startswith("ProcessStopped: process 2 of 2 has stopped: ")
    assert "No space left" in told


@torchrun
@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_process_that_hangs_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    limits = {"DRIVETRAIN_PROCESS_TIMEOUT": "4", "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "1"}
    done = run(PROGRAM, tmp_path / "out", "hanging", cwd=tmp_path, **limits)
    assert done.code == 1
    assert "has not answered for 4 seconds" in (tmp_path / "out" / "hanging-0.txt").read_text()


# --- the command line -----------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path) -> Path:
    data = several.columns().table
    lines = ["number,letter,label"]
    lines += [f"{number},{letter},{label}" for number, letter, label in zip(*data.columns.values())]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "table.csv"


def workers(process: subprocess.Popen[str]) -> dict[int, int]:
    """Rank -> process id of what torchrun has started."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == process.pid:
                rank = re.search(rb"\0RANK=(\d+)\0", (folder / "environ").read_bytes())
                assert rank is not None
                found[int(rank[1])] = int(folder.name)
        except OSError:
            continue
    return found


def after_epoch(process: subprocess.Popen[str], epoch: int, act: Callable[[], None]) -> Done:
    """Act when a training has told of an epoch, and wait for its end."""
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if line.split()[:1] == [f"{epoch}/{EPOCHS}"]:
            act()
            break
    done = finish(process, timeout=200)
    return Done(done.code, done.out, "".join(told) + done.err)


def epochs_told(done: Done) -> list[str]:
    return [line.split()[0] for line in done.err.splitlines() if re.match(rf"\s*\d+/{EPOCHS} ", line)]


@torchrun
@kills
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_process_is_started_again_and_the_run_ends_as_if_nothing_had_been(
    table: Path, tmp_path: Path
) -> None:
    command = (
        "-m",
        "drivetrain",
        "train",
        table,
        *TRAIN,
        "--out",
        "run",
        "--resume",
        "--export",
        "a.bundle",
        "--json",
    )
    process = start(*command, cwd=tmp_path, restarts=1)
    done = after_epoch(process, 2, lambda: os.kill(workers(process)[1], signal.SIGKILL))
    assert done.code == 0, done.err
    assert done.json["epochs"] == EPOCHS, "one JSON object, from one process"
    assert drivetrain("verify", tmp_path / "a.bundle").code == 0
    told = epochs_told(done)
    assert told[-1] == f"{EPOCHS}/{EPOCHS}"
    assert told.count(f"{EPOCHS}/{EPOCHS}") == told.count(f"1/{EPOCHS}") == 1, "one process tells"
    assert drivetrain("train", table, *TRAIN, "--out", tmp_path / "alone", "--json").code == 0
    weights, losses = difference(tmp_path / "run", tmp_path / "alone")
    assert weights < TOLERANCE
    assert losses < TOLERANCE


@torchrun
@kills
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("whom", ["torchrun", "one process"])
def test_a_signal_leaves_a_run_that_one_process_can_go_on_with(
    table: Path, tmp_path: Path, whom: str
) -> None:
    """Ctrl-C, which torchrun passes on; or a machine that wants one of the processes to end."""
    process = start("-m", "drivetrain", "train", table, *TRAIN, "--out", tmp_path / "run", cwd=tmp_path)

    def act() -> None:
        if whom == "torchrun":
            process.send_signal(signal.SIGINT)
        else:
            os.kill(workers(process)[1], signal.SIGTERM)

    done = after_epoch(process, 2, act)
    assert done.code != 0
    said = [line for line in done.err.splitlines() if line.startswith("drivetrain: ")]
    assert len(said) == 1, done.err
    assert "--resume" in said[0]
    assert not (tmp_path / "run" / "result.json").exists()
    resumed = drivetrain("train", table, "--out", tmp_path / "run", "--resume", "--json")
    assert resumed.json["epochs"] == EPOCHS
    assert drivetrain("train", table, *TRAIN, "--out", tmp_path / "alone", "--json").code == 0
    weights, losses = difference(tmp_path / "run", tmp_path / "alone")
    assert weights < TOLERANCE
    assert losses < TOLERANCE


@torchrun
@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("late", ["nobody", "0", "1"])
def test_a_wrong_option_is_told_once(table: Path, tmp_path: Path, late: str) -> None:
    """torchrun ends the others as soon as one fails: whoever tells must come to it, however late it is."""
    (tmp_path / "sitecustomize.py").write_text(
        f"import os, time\ntime.sleep(2 * (os.environ.get('RANK') == {late!r}))\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = run("-m", "drivetrain", "train", table, *TRAIN, "--dropout", "2", cwd=tmp_path, PYTHONPATH=path)
    assert done.code == 1
    assert sum(line.startswith("drivetrain: ") for line in done.err.splitlines()) == 1, done.err
    (tmp_path / "empty.csv").write_text("number,label\n")
    done = run("-m", "drivetrain", "train", "empty.csv", *TRAIN, "--json", cwd=tmp_path, PYTHONPATH=path)
    assert "empty.csv" in done.json["where"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", ["pictures", "normed", "shards"])
def test_two_processes_on_a_gpu_end_as_one_does(tmp_path: Path, case: str) -> None:
    """On one GPU both use it, through gloo; on two each has its own, through NCCL. bfloat16 rounds: a wide tolerance."""
    devices = {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0,1")}
    done = run(PROGRAM, tmp_path / "two", case, cwd=tmp_path, **devices)
    assert done.code == 0, done.err
    made, epochs = several.learner(case, tmp_path / case)
    made.fit(epochs, lr=3e-3)
    assert difference(tmp_path / case, tmp_path / "two" / case)[1] < 0.02
