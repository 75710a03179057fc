"""Progress of everything that takes over a second: a live line on a terminal, in a notebook, and plain lines elsewhere.

All of it goes to stderr (a notebook shows it under the cell); what took less than a second says nothing.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Protocol

SILENT = 1.0
"""Seconds before anything is shown."""
REDRAW = 0.1
"""Seconds between two drawings of a live line."""
PLAIN = 10.0
"""Seconds between two plain lines."""

clock = time.perf_counter


class Screen(Protocol):
    """Where progress is shown: live lines that change, and lines that stay."""

    interval: float

    def draw(self, task: object, text: str, share: float | None) -> None: ...

    def remove(self, task: object) -> None: ...

    def line(self, text: str) -> None: ...


class Plain:
    """A file, a pipe, a log: lines only."""

    interval = PLAIN

    def draw(self, task: object, text: str, share: float | None) -> None:
        self.line(text)

    def remove(self, task: object) -> None:
        pass

    def line(self, text: str) -> None:
        if sys.stderr is not None and not sys.stderr.closed:
            print(text, file=sys.stderr, flush=True)


class Terminal:
    """A line per running task at the bottom of the terminal, drawn by rich; other output scrolls above."""

    interval = REDRAW

    def __init__(self) -> None:
        self._live: Any = None
        self._tasks: dict[int, tuple[str, float | None]] = {}

    @property
    def active(self) -> bool:
        """Whether something is being drawn now (stderr is then rich's, which prints above)."""
        return self._live is not None

    @cached_property
    def _console(self) -> Any:
        # Imported when there is something to show: most work is over before.
        from rich.console import Console

        return Console(stderr=True, highlight=False)

    def draw(self, task: object, text: str, share: float | None) -> None:
        from rich.live import Live

        self._tasks[id(task)] = (text, share)
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(self._lines(), refresh=True)

    def remove(self, task: object) -> None:
        self._tasks.pop(id(task), None)
        if self._live is None:
            return
        if self._tasks:
            self._live.update(self._lines(), refresh=True)
        else:
            self._live.stop()
            self._live = None

    def line(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _lines(self) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=24)
        grid.add_column(no_wrap=True, overflow="ellipsis")
        for text, share in self._tasks.values():
            bar = ProgressBar(100, 100 * (share or 0), width=24, pulse=share is None)
            grid.add_row(bar, Text(text, no_wrap=True, overflow="ellipsis"))
        return grid


class Notebook:
    """A piece of the cell's output that is rewritten: the lines that stay, then the live ones."""

    interval = 0.25

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None
        self._lines: list[str] = []
        self._tasks: dict[int, str] = {}

    def draw(self, task: object, text: str, share: float | None) -> None:
        filled = round(20 * (share or 0))
        self._tasks[id(task)] = f"{'█' * filled}{'░' * (20 - filled)} {text}"
        self._show()

    def remove(self, task: object) -> None:
        if self._tasks.pop(id(task), None) is not None:
            self._show()

    def line(self, text: str) -> None:
        self._lines.append(text)
        self._show()

    def _show(self) -> None:
        from html import escape

        text = "\n".join([*self._lines, *self._tasks.values()])
        content = {"text/plain": text, "text/html": f'<pre style="line-height:1.35">{escape(text)}</pre>'}
        if self._handle is None:
            self._handle = self._display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


class Nowhere:
    """For `quiet`."""

    interval = math.inf

    def draw(self, task: object, text: str, share: float | None) -> None:
        pass

    def remove(self, task: object) -> None:
        pass

    def line(self, text: str) -> None:
        pass


_terminal = Terminal()
"""Tasks at the same time share it: there is one live area on a terminal."""


def _screen(quiet: bool) -> Screen:
    """The place to show progress now. Of several processes (see learn/distributed/processes.py) the first one shows it."""
    if quiet or os.environ.get("RANK", "0") != "0":
        return Nowhere()
    if _terminal.active:
        return _terminal
    stream = sys.stderr
    if stream is None or stream.closed:
        return Nowhere()
    # A notebook has imported IPython already; to import it here would be to pay for it everywhere.
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None and shell.__class__.__name__ == "ZMQInteractiveShell":
        from IPython.display import display  # pyright: ignore[reportMissingImports]

        return Notebook(display)
    return Plain() if not stream.isatty() or os.environ.get("TERM") == "dumb" else _terminal


@contextmanager
def progress(what: str, total: int | None = None, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """`with progress("Encoding pictures", 1797) as advance: ... advance(1)` counts up to `total`.

    Shows time left while it runs and one line at the end; nothing when the work took less than a second. Without a
    `total` it only counts. `advance` may be called a million times: it looks at the clock and mostly returns.
    """
    screen = _screen(quiet)
    task = _Task(what, total, screen)
    try:
        yield task.advance
    except BaseException:
        task.close("stopped at")
        raise
    task.close("")


@contextmanager
def stages(quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """`with stages() as stage: stage("Simulating") ... stage("Solving")` shows what goes on now, from the second second on."""
    screen, shown = _screen(quiet), _Stage()
    timer = threading.Timer(SILENT, lambda: shown.late(screen))
    timer.daemon = True
    timer.start()
    try:
        yield lambda text: shown.tell(screen, text)
    finally:
        timer.cancel()
        shown.end(screen)


class _Stage:
    """What goes on now, and whether it is shown yet. The timer's thread and that of the work share it."""

    def __init__(self) -> None:
        self.text, self.shows, self.over, self.lock = "", False, False, threading.Lock()

    def tell(self, screen: Screen, text: str) -> None:
        with self.lock:
            self.text = text
            if self.shows:
                screen.draw(self, text, None)

    def late(self, screen: Screen) -> None:
        with self.lock:
            if self.over:
                return
            self.shows = True
            if self.text:
                screen.draw(self, self.text, None)

    def end(self, screen: Screen) -> None:
        with self.lock:
            self.over = True
            screen.remove(self)


class _Task:
    def __init__(self, what: str, total: int | None, screen: Screen) -> None:
        self.what, self.total, self.screen = what, total, screen
        self.done = 0
        self.began = clock()
        self.due = self.began + max(SILENT, screen.interval)

    def advance(self, n: int = 1) -> None:
        self.done += n
        now = clock()
        if now < self.due:
            return
        self.due = now + self.screen.interval
        share = min(1.0, self.done / self.total) if self.total else None
        told = f"{self.what}: {self._count()}"
        if share is not None and self.done:
            left = (now - self.began) * (1 - share) / max(share, 1e-9)
            told += f" ({100 * share:.0f} %), {duration(left)} left"
        self.screen.draw(self, told, share)

    def close(self, stopped: str) -> None:
        self.screen.remove(self)
        seconds = clock() - self.began
        if seconds < SILENT:
            return
        if stopped:
            self.screen.line(f"{self.what}: {stopped} {self._count()} after {duration(seconds)}")
        else:
            self.screen.line(f"{self.what}: {self.done:,} in {duration(seconds)}")

    def _count(self) -> str:
        return f"{self.done:,} of {self.total:,}" if self.total else f"{self.done:,}"


COLUMNS = ("train_loss", "valid_loss", "train_error", "valid_error")
WIDTH = 11


def losses_beside(row: Mapping[str, Any]) -> list[str]:
    """What an epoch's row has of networks that were trained beside the model: `critic_loss`."""
    return [name for name in row if name.endswith("_loss") and name not in COLUMNS]


class EpochTable:
    """A line per epoch under a header, and a live line for the epoch that runs.

        table = EpochTable(epochs=10)
        table.start(batches=113)
        table.batch(1, 2.31)           # after each batch: batches done, mean loss so far
        table.epoch({"epoch": 1, "train_loss": 0.9, "valid_loss": 0.8, "train_error": ..., "seconds": 3.1})
        table.close()

    `done` says how many of the epochs are over already, when a run goes on; `error` what the error is, such as "perplexity".
    """

    def __init__(self, epochs: int, done: int = 0, quiet: bool = False, error: str = "error") -> None:
        self.epochs, self.done, self.error = epochs, done, error
        self.screen = _screen(quiet)
        self.headed = False
        self.lengths: list[float] = []
        self.batches = self.first = 0
        self.began = clock()
        self.due = math.inf
        self.live = False

    def start(self, batches: int, done: int = 0) -> None:
        """An epoch of `batches` begins, of which `done` are over when a run goes on in its middle."""
        self.batches, self.first = batches, done
        self.began = clock()
        self.due = self.began + max(SILENT, self.screen.interval)
        self.live = False

    def batch(self, done: int, loss: float) -> None:
        """`done` batches of this epoch are over; `loss` is their mean. Costs next to nothing."""
        now = clock()
        if now >= self.due or (self.live and done >= self.batches):
            self._show(done, loss, now)

    def _show(self, done: int, loss: float, now: float) -> None:
        self.due = now + self.screen.interval
        self.live = self.screen.interval < PLAIN
        share = done / max(1, self.batches)
        told = f"epoch {self.done + 1}/{self.epochs}: batch {done:,} of {self.batches:,}, loss {loss:.4f}"
        if done >= self.batches:
            told += ", validating"
        elif done > self.first:
            per_batch = (now - self.began) / (done - self.first)
            left = per_batch * (self.batches - done)
            whole = sum(self.lengths) / len(self.lengths) if self.lengths else per_batch * self.batches
            told += f", {duration(left)} left"
            if (rest := self.epochs - self.done - 1) > 0:
                told += f", {duration(left + rest * whole)} in all"
        self.screen.draw(self, told, share)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Print the epoch: `epoch`, `train_loss`, `valid_loss`, `train_error`, `valid_error`, `seconds`; None is "-"."""
        self.screen.remove(self)
        columns = [*COLUMNS, *losses_beside(row)]
        if not self.headed:
            self.screen.line(
                f"{'epoch':>7}"
                + "".join(f"{self._heading(name):>{self._width(name)}}" for name in columns)
                + f"{'time':>8}"
            )
            self.headed = True
        elapsed = clock() - self.began
        if self.first == 0:
            self.lengths.append(elapsed)
        number = f"{row.get('epoch', self.done + 1)}/{self.epochs}"
        cells = "".join(f"{_cell(row.get(name)):>{self._width(name)}}" for name in columns)
        self.screen.line(f"{number:>7}{cells}{duration(row.get('seconds') or elapsed):>8}")
        self.done += 1
        self.due = math.inf

    def _heading(self, name: str) -> str:
        name = name.replace("_", " ")
        return name.removesuffix("error") + self.error if name.endswith(" error") else name

    def _width(self, name: str) -> int:
        return 2 + max(WIDTH, len(self._heading(name)))

    def close(self) -> None:
        """Take the live line away."""
        self.screen.remove(self)


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.3e}"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3:05` (minutes), `2:03:05` (hours)."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
