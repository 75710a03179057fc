"""Progress: live on a terminal, few lines elsewhere, nothing for what is quick, next to nothing in cost."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import pytest

from drivetrain import progress as module
from drivetrain.progress import EpochTable, duration, progress


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        self.now += seconds


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "clock", clock)
    return clock


@pytest.fixture
def attach(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Makes stderr a terminal; called in the test, for pytest sets stderr anew between fixtures and test."""
    monkeypatch.setattr(module, "_terminal", module.Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")

    def attach() -> Terminal:
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        return terminal

    return attach


def frames(terminal: Terminal) -> list[str]:
    """What was written, piece by piece, without the control codes."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    return [piece.strip() for piece in re.split(r"[\r\n]+", plain) if piece.strip()]


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def run(clock: Clock, seconds: float, steps: int, total: int | None = None, quiet: bool = False) -> None:
    with progress("Encoding pictures", total, quiet=quiet) as advance:
        for _ in range(steps):
            clock.work(seconds / steps)
            advance(10)


def test_what_took_less_than_a_second_says_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    run(clock, 0.9, 100, 1000)
    assert lines(capsys) == []


def test_what_took_longer_says_so_once_at_its_end(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    run(clock, 5, 100, 1000)
    assert lines(capsys) == ["Encoding pictures: 1,000 in 5.0 s"]


def test_plain_lines_come_every_ten_seconds_with_the_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    run(clock, 40, 4000, 40_000)
    found = lines(capsys)
    assert [re.sub(r"\d+\.\d s", "s", line) for line in found[-1:]] == ["Encoding pictures: 40,000 in 40 s"]
    shares = [int(re.findall(r"\((\d+) %\)", line)[0]) for line in found[:-1]]
    left = [int(re.findall(r"(\d+) s left", line)[0]) for line in found[:-1] if "." not in line]
    assert shares == pytest.approx([25, 50, 75], abs=1)
    assert left == pytest.approx([30, 20, 10], abs=1)


def test_without_a_total_it_counts(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    run(clock, 12, 12)
    found = lines(capsys)
    assert found == ["Encoding pictures: 100", "Encoding pictures: 120 in 12 s"]


def test_what_is_stopped_says_where_and_the_error_goes_on(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        with progress("Encoding pictures", 100) as advance:
            clock.work(3)
            advance(40)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert lines(capsys) == ["Encoding pictures: stopped at 40 of 100 after 3.0 s"]


def test_quiet_says_nothing(
    clock: Clock, capsys: pytest.CaptureFixture[str], attach: Callable[[], Terminal]
) -> None:
    terminal = attach()
    run(clock, 100, 1000, 10_000, quiet=True)
    table(clock, quiet=True)
    assert capsys.readouterr().out == ""
    assert terminal.getvalue() == ""


def test_a_process_without_stderr_goes_on(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    run(clock, 100, 10, 100)
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    run(clock, 100, 10, 100)
    table(clock)


def test_a_terminal_shows_a_bar_ten_times_a_second_after_the_first_second(
    clock: Clock, attach: Callable[[], Terminal]
) -> None:
    terminal = attach()
    run(clock, 3, 3000, 30_000)
    found = frames(terminal)
    drawn = [frame for frame in found if "left" in frame]
    assert 15 <= len(drawn) <= 22
    assert re.fullmatch(r"━+[╸╺]?━* Encoding pictures: [\d,]+ of 30,000 \(3\d %\), 2\.\d s left", drawn[0])
    assert found[-1] == "Encoding pictures: 30,000 in 3.0 s"
    assert (
        terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") == 1
    )  # the cursor is back


def test_a_terminal_shows_nothing_for_what_is_quick(clock: Clock, attach: Callable[[], Terminal]) -> None:
    terminal = attach()
    run(clock, 0.9, 100, 1000)
    assert terminal.getvalue() == ""


def test_two_at_a_time_share_a_terminal(clock: Clock, attach: Callable[[], Terminal]) -> None:
    terminal = attach()
    with progress("outer", 100) as outer:
        clock.work(2)
        outer(10)
        with progress("inner", 10) as inner:
            clock.work(2)
            inner(5)
            clock.work(0.2)
            outer(1)
        clock.work(1)
        outer(1)
    found = frames(terminal)
    assert any("inner: 5 of 10" in frame for frame in found)
    assert found.index("inner: 5 in 2.2 s") < found.index("outer: 12 in 5.2 s")


def test_output_during_a_bar_stays_whole(clock: Clock, attach: Callable[[], Terminal]) -> None:
    terminal = attach()
    with progress("outer", 100) as advance:
        clock.work(2)
        advance(10)
        print("a warning of someone else's", file=sys.stderr)
        clock.work(2)
        advance(10)
    assert "a warning of someone else's" in frames(terminal)


def test_a_dumb_terminal_gets_lines(
    clock: Clock, attach: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = attach()
    monkeypatch.setenv("TERM", "dumb")
    run(clock, 3, 300, 3000)
    assert terminal.getvalue() == "Encoding pictures: 3,000 in 3.0 s\n"


class ZMQInteractiveShell:
    """What IPython calls the shell of a notebook."""


def test_a_notebook_rewrites_one_output(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[dict[str, str]] = []

    class Handle:
        def update(self, content: dict[str, str], raw: bool) -> None:
            shown.append(content)

    def display(content: dict[str, str], raw: bool, display_id: bool) -> Handle:
        assert not shown
        shown.append(content)
        return Handle()

    shell = types.ModuleType("IPython")
    shell.get_ipython = ZMQInteractiveShell  # type: ignore[attr-defined]
    parts = types.ModuleType("IPython.display")
    parts.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", parts)
    run(clock, 3, 300, 3000)
    assert 5 < len(shown) < 12
    assert re.match(r"█+░+ Encoding pictures: [\d,]+ of 3,000", shown[0]["text/plain"])
    assert shown[-1]["text/plain"] == "Encoding pictures: 3,000 in 3.0 s"
    assert "<pre" in shown[-1]["text/html"]
    assert capsys.readouterr() == ("", "")


ROW = {
    "epoch": 1,
    "train_loss": 0.91234,
    "valid_loss": 0.5,
    "train_error": 0.25,
    "valid_error": 0.00005,
    "seconds": 5.0,
}


def table(clock: Clock, seconds: float = 5, epochs: int = 3, batches: int = 100, **options: Any) -> None:
    found = EpochTable(epochs, **options)
    for epoch in range(options.get("done", 0), epochs):
        found.start(batches)
        for batch in range(batches):
            clock.work(seconds / batches)
            found.batch(batch + 1, 2 / (batch + 1))
        found.epoch({**ROW, "epoch": epoch + 1, "seconds": seconds})
    found.close()


def test_a_line_per_epoch_under_one_header_in_columns(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    table(clock)
    head, *rows = lines(capsys)
    assert re.split(r"\s{2,}", head.strip()) == [
        "epoch",
        "train loss",
        "valid loss",
        "train error",
        "valid error",
        "time",
    ]
    assert [row.split() for row in rows] == [
        [f"{epoch}/3", "0.9123", "0.5000", "0.2500", "5.000e-05", "5.0", "s"] for epoch in (1, 2, 3)
    ]
    assert {len(line) for line in (head, *rows)} == {len(head)}
    assert head.index("train loss") + len("train loss") == rows[0].index("0.9123") + len("0.9123")


def test_an_error_that_has_a_name_is_called_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = EpochTable(1, error="perplexity")
    found.epoch({**ROW, "epoch": 1, "seconds": 1})
    head, row = lines(capsys)
    assert "train perplexity  valid perplexity" in head
    assert len(head) == len(row)


def test_missing_values_are_a_dash(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    found = EpochTable(1)
    found.start(1)
    found.epoch({"epoch": 1, "train_loss": 0.5, "valid_loss": None})
    assert lines(capsys)[1].split()[:5] == ["1/1", "0.5000", "-", "-", "-"]


def test_a_long_epoch_tells_every_ten_seconds_how_long_it_will_take(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    table(clock, seconds=40, epochs=2, batches=400)
    told = [line for line in lines(capsys) if line.startswith("epoch 1/2")]
    assert len(told) == 3
    assert re.fullmatch(r"epoch 1/2: batch 10\d of 400, loss 0\.0\d+, 30 s left, 1:10 in all", told[0])


def test_a_run_that_goes_on_counts_from_where_it_was(clock: Clock, attach: Callable[[], Terminal]) -> None:
    terminal = attach()
    found = EpochTable(5, done=3)
    found.start(100, done=50)
    for batch in range(51, 61):
        clock.work(0.5)
        found.batch(batch, 1.0)
    found.close()
    last = frames(terminal)[-1]
    assert "epoch 4/5: batch 60 of 100, loss 1.0000, 20 s left, 1:10 in all" in last


def test_a_terminal_shows_the_epoch_that_runs_and_its_validation(
    clock: Clock, attach: Callable[[], Terminal]
) -> None:
    terminal = attach()
    table(clock, seconds=3, epochs=1, batches=300)
    found = frames(terminal)
    assert any("epoch 1/1: batch" in frame and "left" in frame for frame in found)
    assert any("batch 300 of 300" in frame and "validating" in frame for frame in found)
    assert found[-1].startswith("1/1 ")


@pytest.mark.parametrize("what", ["batch", "advance"])
def test_counting_costs_less_than_five_microseconds(what: str, attach: Callable[[], Terminal]) -> None:
    attach()
    n = 20_000
    found = EpochTable(2)
    found.start(n * 10)
    with progress("x", n * 10) as advance:
        best = 1.0
        for repeat in range(5):
            started = time.perf_counter()
            if what == "batch":
                for i in range(n):
                    found.batch(repeat * n + i, 0.5)
            else:
                for _ in range(n):
                    advance(1)
            best = min(best, (time.perf_counter() - started) / n)
    found.close()
    assert best < 5e-6


def test_importing_it_imports_neither_rich_nor_torch() -> None:
    program = (
        "import sys, drivetrain.progress as p; p.EpochTable(1).start(1);"
        "assert not {'rich', 'torch', 'IPython'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_durations() -> None:
    found = [duration(seconds) for seconds in (0.04, 9.94, 9.96, 59.4, 59.6, 125, 3599.7, 7385)]
    assert found == ["0.0 s", "9.9 s", "10 s", "59 s", "1:00", "2:05", "1:00:00", "2:03:05"]
