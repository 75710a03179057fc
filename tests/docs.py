"""The documentation as programs: its blocks are run, and its tables are made from what they describe.

In README.md and docs/guides/ every ```python block is executed (those of a page share their names, in order), and so
is every line of a ```console block that begins with `$ `. A page has a folder of its own with the pictures that
`prepare` makes. After the language may stand `skip="the reason"`, `exit=3`, the exit code of each command,
`file=PATH`: then the block is what a file in that folder holds, and is not executed itself, or `serves`: then its command is a
server that goes on while the rest of the page is run, and its address there is what the page calls HERE.

`python tests/docs.py` rewrites what stands between `<!-- made: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import functools
import inspect
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pictures import class_folder, picture, split_folder
from tables import films, incomes, ratings, rentals, reviews

from drivetrain.cli.main import build_parser
from drivetrain.figures import rough
from drivetrain.files import sha256, to_json
from drivetrain.metrics import kinds
from drivetrain.metrics.names import known

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
RESULTS = ROOT / "bench" / "results"
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
MADE = re.compile(r"(<!-- made: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
KNOWN = {"skip", "exit", "file", "serves"}
HERE = "127.0.0.1:8000"


@dataclass(frozen=True)
class Block:
    """A fenced block: where it is (the line of its first line of code), what it is in, and what it says."""

    page: Path
    line: int
    language: str
    marks: dict[str, str]
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"

    @property
    def commands(self) -> list[list[str]]:
        """The arguments of each command of a console block."""
        joined = self.text.replace("\\\n", " ")
        return [shlex.split(line[2:]) for line in joined.splitlines() if line.startswith("$ ")]


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page. Raises ValueError for a mark that is not known."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start(3)) + 1
        marks = dict(mark.partition("=")[::2] for mark in shlex.split(match[2]))
        if not marks.keys() <= KNOWN or ("skip" in marks and not marks["skip"]):
            raise ValueError(
                f"{page.name}:{line}: marks are skip=REASON, exit=CODE, file=PATH and serves, not {match[2].strip()}"
            )
        found.append(Block(page, line, match[1], marks, match[3]))
    return found


def runnable(page: Path) -> list[Block]:
    """What is executed, and the files that it needs, whatever they hold."""
    return [
        block for block in blocks(page) if block.language in ("python", "console") or "file" in block.marks
    ]


@dataclass
class Reader:
    """Somebody who follows a page in `folder`, from the top, as far as they were asked to."""

    page: Path
    folder: Path
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    done: int = 0
    failed: str = ""
    server: subprocess.Popen[str] | None = None
    """What the last block marked `serves` has begun, until the next or the end of the page."""
    address: str = ""
    """host:port of it, which stands for the page's HERE."""

    def read_to(self, block: Block) -> None:
        """Run the blocks up to this one. Raises whatever they raise."""
        todo = runnable(self.page)
        while self.done <= todo.index(block) and not self.failed:
            self.failed = todo[self.done].name
            self._run(todo[self.done])
            self.failed = ""
            self.done += 1

    def _run(self, block: Block) -> None:
        if "skip" in block.marks:
            return
        if "file" in block.marks:
            place = self.folder / block.marks["file"]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(block.text, encoding="utf-8")
            return
        if block.language == "python":
            # Running the page's code is what this is for; the empty lines make a traceback name the page's line.
            text = "\n" * (block.line - 1) + self._here(block.text)
            exec(compile(text, str(block.page), "exec"), self.names)
            return
        for command in block.commands:
            if "serves" in block.marks:
                self._serve(command, block)
                continue
            self._call(command, int(block.marks.get("exit", 0)), block)

    def _here(self, text: str) -> str:
        return text.replace(HERE, self.address) if self.address else text

    def _serve(self, command: list[str], block: Block) -> None:
        """Begin a server that answers the rest of the page, on a free port in the place of 8000."""
        self.close()
        options = ["--http", "0", "--json"]
        with (self.folder / "server.log").open("w") as log:
            self.server = subprocess.Popen(
                [sys.executable, "-m", *command, *options], stdout=subprocess.PIPE, stderr=log, text=True, cwd=self.folder
            )  # fmt: skip
        assert self.server.stdout
        told = self.server.stdout.readline()
        assert '"http"' in told, f"{block.name}: {told}{(self.folder / 'server.log').read_text()}"
        self.address = json.loads(told)["http"].partition("://")[2]

    def close(self) -> None:
        """End the page's server, in order."""
        if self.server is not None:
            self.server.terminate()
            self.server.communicate(timeout=60)
            assert self.server.returncode == 0
            self.server = None

    def _call(self, command: list[str], code: int, block: Block) -> None:
        start = {
            "drivetrain": [sys.executable, "-m", "drivetrain"],
            "python": [sys.executable],
            "curl": ["curl", "--fail"],
        }
        assert command[0] in start, (
            f"{block.name}: {command[0]} can't be run here; mark the block with a skip"
        )
        done = subprocess.run(
            [*start[command[0]], *map(self._here, command[1:])], capture_output=True, text=True, check=False, cwd=self.folder,
            env={**os.environ, "COLUMNS": "120"},
        )  # fmt: skip
        told = f"{block.name}: {shlex.join(command)}\n{done.stdout}{done.stderr}"
        assert done.returncode == code, f"{told}\nexit code {done.returncode}, not {code}"
        assert "Traceback" not in done.stderr, told


def prepare(folder: Path) -> None:
    """What the pages speak of: flowers/, insects/, tables, single pictures, pretrained weights with their record, a pretrained
    model of texts and vectors of words."""
    class_folder(folder / "flowers", {"daisy": 20, "rose": 20, "tulip": 20}, (48, 48), extension=".jpg")
    parts = {"train": {"ants": 20, "bees": 20}, "val": {"ants": 8, "bees": 8}}
    split_folder(folder / "insects", parts, (64, 72))
    incomes(folder / "adult.csv")
    incomes(folder / "adult-test.csv", rows=200, seed=1)
    rentals(folder / "rentals.csv")
    ratings(folder / "ratings.csv")
    films(folder / "films.csv")
    reviews(folder / "reviews.csv")
    picture(0, (50, 60)).save(folder / "ant.jpg")
    picture(2, (48, 48)).save(folder / "tulip.jpg")
    weights = _weights()
    record = {
        "architecture": "mobilenet_v1", "width": 0.25, "padding": "same", "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225], "size": 128, "frozen_norm": False, "sha256": sha256(weights),
        "source": "random, for a test", "licence": "none",
    }  # fmt: skip
    (folder / "weights").mkdir()
    (folder / "weights" / "mobilenet.safetensors").write_bytes(weights)
    (folder / "weights" / "mobilenet.json").write_text(json.dumps(record))
    shutil.copytree(_text_model(), folder / "weights" / "minilm")
    vectors = [
        "game 1 0 2 .5",
        "lovely 2 1 0 0",
        "dull -2 1 0 0",
        "fun 2 .5 1 0",
        "the 0 0 0 1",
        "a 0 0 0 .9",
        "my 0 .1 0 .8",
    ]
    (folder / "weights" / "glove.4d.txt").write_text("\n".join(vectors) + "\n")


@functools.cache
def _text_model() -> Path:
    """A tiny model of texts with random weights and its tokenizer, in a folder."""
    from pretrained import backbone

    return backbone(Path(tempfile.mkdtemp()))


@functools.cache
def _weights() -> bytes:
    """Random weights of the smallest architecture, as a safetensors file."""
    import torch
    from safetensors.torch import save

    from drivetrain.models.mobilenet import mobilenet_v1

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return save(mobilenet_v1(width=0.25, padding="same").state_dict())


# --- tables that are made ------------------------------------------------------------------------------------


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each verb."""
    return next(action for action in build_parser()._actions if action.dest == "verb").choices  # type: ignore[return-value]


def options(verb: str) -> dict[str, str]:
    """Option -> what its help says, without --help."""
    found = {}
    for action in parsers()[verb]._actions:
        if action.dest == "help":
            continue
        if not action.option_strings:
            found[str(action.metavar)] = action.help or ""
        elif action.nargs == 0:
            names = (
                action.option_strings if "--no-" in action.option_strings[-1] else action.option_strings[-1:]
            )
            found["` or `".join(names)] = action.help or ""
        else:
            value = action.metavar or ("|".join(action.choices) if action.choices else action.dest.upper())
            found[f"{action.option_strings[-1]} {value}"] = action.help or ""
    return found


def verbs_table() -> str:
    """The verbs, what they take and what they do."""
    lines = ["| command | does |", "|---|---|"]
    for verb, parser in parsers().items():
        places = [
            str(action.metavar) + "..." * (action.nargs == "+")
            for action in parser._actions
            if not action.option_strings
        ]
        lines.append(f"| `drivetrain {' '.join([verb, *places])}` | {parser.description} |")
    return "\n".join(lines) + "\n"


def options_table() -> str:
    """The options of all verbs, one that several share once; --json, which they all have, is left to the text."""
    shared: dict[tuple[str, str], list[str]] = {}
    for verb in parsers():
        for name, help in options(verb).items():
            if name.startswith("--") and name != "--json":
                shared.setdefault((name, help), []).append(verb)
    lines = ["| command | option | meaning |", "|---|---|---|"]
    for (name, help), verbs in shared.items():
        lines.append(f"| {', '.join(verbs)} | `{name.replace('|', chr(92) + '|')}` | {help} |")
    return "\n".join(lines) + "\n"


def _range(figures: dict[str, float], digits: int = 2) -> str:
    low, high = figures["min"], figures["max"]
    return f"{figures['median']:.{digits}f} ({low:.{digits}f} to {high:.{digits}f}, n = {figures['n']})"


def _beside(found: dict[str, Any]) -> str:
    return f"{found['n-grams']['value']:.3f} ({found['TF-IDF']['value']:.3f})"


def _forecast(found: dict[str, Any]) -> str:
    """Of one series: our error, and that of the better of two naive forecasts."""
    few = found["MAE at the few origins"]
    return f"{few['drivetrain']:.3g} ({min(few['naive'], few['seasonal naive']):.3g})"


def _demand(found: dict[str, Any]) -> str:
    error = found["MAE"]
    naive = min(value for name, value in error.items() if name.startswith("seasonal naive"))
    return ", ".join(rough(value) for value in (error["drivetrain"], error["LightGBM on lags"], naive))


def _of_all(ratios: Iterable[float]) -> str:
    low, *_, high = sorted(ratios)
    return f"{low:.2f} to {high:.2f}"


FIGURES: list[tuple[str, str, Callable[[dict[str, Any]], str]]] = [
    ("augment", "augmented 224-pixel pictures per CPU-second, from the packed store",
     lambda found: f"{found['pictures_per_cpu_second']['drivetrain, from the store']:,.0f}"),
    ("augment", "the same beside fastai from JPEG files",
     lambda found: f"{found['times_as_fast_as']['fastai, from JPEG files']:.1f} times as fast"),
    ("first_encoding", "first encoding of a JPEG folder, rate over that of Pillow on all cores",
     lambda found: _range(found["ratios"]["rate of ours / rate of Pillow"])),
    ("fashion_epoch", "an epoch of a small network, time over that of a bare torch loop from memory",
     lambda found: _range(found["ratios"]["ours from memory / bare"])),
    ("rivals", "an epoch of the same network on fastai, from PNG files, over ours",
     lambda found: _range(found["ratios"]["epoch, fastai from PNG / ours"])),
    ("rivals", "the same on Keras with TensorFlow: from PNG files, from cached PNG files, from memory",
     lambda found: ", ".join(_range(found["ratios"][f"epoch, Keras from {kind} / ours"])
                             for kind in ("PNG", "PNG, cached", "memory"))),
    ("rivals", "from `python script` to a validated first epoch, ours with nothing encoded yet over fastai",
     lambda found: _range(found["ratios"]["first validated epoch, ours the first time / fastai"])),
    ("ants_bees", "ants and bees with a pretrained MobileNetV2, valid accuracy, three seeds",
     lambda found: ", ".join(f"{one['value']:.3f}" for one in found["valid_accuracy_by_seed"])),
    ("ants_bees", "an epoch that runs the frozen body, time over that with its features kept",
     lambda found: _range(found["ratios"]["backbone run / features kept"], 1)),
    ("tables", "tables beside LightGBM, CatBoost and TF-IDF with their defaults: mean rank, of how many programs and tables",
     lambda found: f"{found['mean rank']['best']:.2f}, of {len(found['mean rank'])} and {len(found['sets'])}"),
    ("tables", "Adult census, log loss on the official test rows: the default, LightGBM with early stopping, CatBoost",
     lambda found: ", ".join(f"{found['sets']['adult']['methods'][name]['log loss']:.4f}"
                             for name in ("best", "LightGBM, early stopping", "CatBoost"))),
    ("tables", "CPU seconds of the whole `drivetrain train` by default: a table of 1,000 rows, Adult",
     lambda found: ", ".join(f"{found['sets'][name]['methods']['best']['CPU seconds']:.0f}" for name in ("thousand", "adult"))),
    ("texts", "accuracy of n-grams (TF-IDF and a regression): movie reviews by the authors' folds, app reviews, news (two splits)",
     lambda found: ", ".join(_beside(found["sets"][name][split]) for name, split in (
         ("movies", "10 folds"), ("apps", "seed 0"), ("news", "scikit-learn's split of seed 0"), ("news", "seed 0")))),
    ("shakespeare", "characters of tiny_shakespeare, the last tenth: nats of the default language model, of 6-grams; CPU seconds",
     lambda found: f"{found['metrics']['valid']['nats']['value']:.3f}, "
                   f"{found['baselines']['6-grams (Kneser-Ney)']['nats']['value']:.3f}; "
                   f"{found['CPU seconds']['with the export']:.0f}"),
    ("language_model", "a training step in nanoGPT's CPU configuration, time over that of its plain loop: by default, in float32",
     lambda found: ", ".join(_range(found["nanoGPT's CPU configuration, a training step"]["ratio to nanoGPT's loop"][name])
                             for name in ("ours", "ours, float32"))),
    ("language_model", "a written token, time over that of torch: LSTM, transformer",
     lambda found: ", ".join(_range(found["a written token"][name]["ratio to torch"]["ours"]) for name in ("lstm", "transformer"))),
    ("translation", "BLEU of multi30k test2016, English to French: greedy, beam of 4, word by word; CPU seconds of training",
     lambda found: ", ".join(f"{found['test'][name]['bleu']['value']:.1f}" for name in ("greedy", "beam of 4", "word by word"))
                   + f"; {found['cpu_seconds_of_training']:.0f}"),
    ("forecasting", "forecasts by rolling origin, MAE of the default and of the better of naive and seasonal naive",
     lambda found: "; ".join(f"{name} {_forecast(one)}" for name, one in found["sets"].items())),
    ("forecasting", "what its bands of 80 % cover there",
     lambda found: ", ".join(f"{100 * one['band of 80 %']['following']['share']:.1f} %" for one in found["sets"].values())),
    ("etth1", "ETTh1, seven channels, MSE over that published for NLinear: 96, 192, 336, 720 hours",
     lambda found: ", ".join(f"{one['ratio']:.3f}" for one in found["horizons"].values())),
    ("demand", "demand with what is known ahead, MAE: the default, LightGBM on lags, seasonal naive",
     lambda found: "; ".join(f"{name} {_demand(one)}" for name, one in found["sets"].items())),
    ("forecast_speed", "CPU seconds to fit the default forecaster, and with its result and report: 3,650 days; 500 series of 1,000",
     lambda found: "; ".join(", ".join(f"{one['cpu seconds'][what]['median']:.2g}" for what in ("solve", "fit"))
                             for one in found["sizes"].values())),
    ("sequence_nets", "a step of networks of series, time over that of a bare torch loop",
     lambda found: _of_all(one["ratio"]["median"] for kind in ("forecasts", "sensors") for one in found[kind].values())),
    ("indoor_movement", "will the walker change rooms, accuracy by five folds; with an environment never seen",
     lambda found: "; ".join(", ".join(f"{name} {one['value']:.3f}" for name, one in found[split].items())
                             for split in ("five folds", "environment 3"))),
    ("sound_speed", "decoding and mel of 600 wavs: librosa's CPU time over ours",
     lambda found: _range(found["times as long"]["CPU"], 1)),
    ("text_lengths", "a word LSTM's epoch of texts, time over that of a bare torch loop; Keras with TensorFlow over ours",
     lambda found: ", ".join(_range(found["word lstm"]["ratios of time"][name]) for name in ("ours / bare", "keras / ours"))),
    ("serve_rivals", "requests a second of a server, tiny model, 32 callers: tensors, raw values; over FastAPI, LitServe, MLServer",
     lambda found: ", ".join(f"{found['requests_per_second'][name]['median']:,.0f}" for name in ("ours", "ours, friendly")) + "; "
                   + ", ".join(_range(found["ratios"][f"ours over {name}"], 1) for name in ("fastapi", "litserve", "mlserver"))),
    ("serve_path", "milliseconds that the server adds to a tiny model's session, one caller: median, 99th percentile",
     lambda found: ", ".join(f"{found['tiny']['overhead_ms'][f'v2, {name}']['median']:.2f}" for name in ("p50_ms", "p99_ms"))),
    ("serve_path", "a net of ResNet-18's size, 32 callers: share of the session's own best throughput",
     lambda found: f"{found['resnet']['share_of_the_session']['by the clock']['median']:.3f}"),
    ("serve_process", "seconds from the server's start to its first answer, golden cases checked: a tiny model, ResNet-18",
     lambda found: ", ".join(_range(found["seconds to the first answer"][name]) for name in ("tiny", "ResNet-18"))),
    ("serve_process", "MB above the session's own; more after 200,000 mixed requests",
     lambda found: f"{found['memory, MB']['tiny']['above']:.0f}; "
                   f"{found['growth, MB']['after all'] - found['growth, MB']['after 10,000']:.1f}"),
    ("serve_process", "goodput over its peak when asked ten times as much, a model of 10 ms a row, of 3",
     lambda found: ", ".join(f"{found['overload'][f'{ms} ms a row']['goodput over peak']:.2f}" for ms in (10, 3))),
    ("serve_reload", "reloads under load, of them corrupt; failed requests, answers of two versions",
     lambda found: f"{found['reloads']}, {found['corrupt']}; "
                   f"{found['failed']}, {found['mixed_version_answers']} of {found['requests']:,}"),
    ("serve_records", "milliseconds that a record adds to a request; rows a second into SQLite, PostgreSQL",
     lambda found: f"{found['a request']['cost p50 ms']:.2f}; "
                   + ", ".join(f"{found[name]['filling']['rows a second']:,.0f}" for name in ("SQLite", "PostgreSQL"))),
    ("serve_kills", "processes that record killed; answers acknowledged, lost",
     lambda found: f"{sum(found[name]['kills'] for name in ('SQLite', 'PostgreSQL')):,}; "
                   + ", ".join(f"{sum(found[name][what] for name in ('SQLite', 'PostgreSQL')):,}"
                               for what in ("acknowledged", "lost"))),
    ("serve_protocols", "cases of both protocols over REST and gRPC: hold of ours; of MLServer, of those that could be tried",
     lambda found: f"{found['all']['drivetrain']['hold']} of {found['cases']}; {found['all']['mlserver']['hold']} of "
                   f"{found['all']['mlserver']['hold'] + found['all']['mlserver']['fail']}"),
    ("serve_grpc", "requests per CPU-second over gRPC, over those of a bare grpc.aio server without checks, of MLServer",
     lambda found: ", ".join(_range(found["requests_per_cpu_second, ours over"][name]) for name in ("bare grpc.aio", "mlserver"))),
    ("effects_coverage", "a price learned from 20,000 by chance, of 200 runs: within 5 %, regret up to 1 %, 90 % interval holds",
     lambda found: ", ".join(f"{found['prices'][name]['value']:.1%}" for name in (
         "within_5_percent", "regret_at_most_1_percent", "interval_90_holds_the_true_profit"))),
    ("effects_coverage", "where nothing does anything: told not to act; confounded without a claim, called randomised: refused",
     lambda found: f"{found['null_do_not_act']['value']:.1%}; " + ", ".join(
         f"{found['confounded'][name]['value']:.0%}" for name in ("plain_refused", "called_randomised_refused"))),
    ("decide_verdicts", "nothing does anything, told not to act: a number, a choice of five, a number for each row by five columns",
     lambda found: ", ".join(f"{found[f'null, {what}']['do not act']['share']:.1%}"
                             for what in ("a number", "a choice of five", "a number for each row"))),
    ("decide_speed", "CPU seconds: 5 levers, 1,000 draws, 10,000 rows; a price each for 100,000 rows; a budget of 1,000 channels",
     lambda found: "; ".join(f"{found[name]['cpu_s']:.2g}" for name in ("five_levers", "price_each", "budget_of_1000"))),
    ("decide_search", "dear simulators, distance from the best: ours, optuna's TPE, chance (Branin, 50 calls; Hartmann-6, 80)",
     lambda found: "; ".join(
         ", ".join(f"{found[name][who]['off_the_best']['median']:.1g}" for who in ("ours", "optuna TPE", "random"))
         for name in ("branin", "hartmann-6"))),
    ("evidence", "the best of 5, 20, 50 that are all the same, in standard errors: as it looks; corrected",
     lambda found: "; ".join(", ".join(f"{found['winners'][f'equal, K = {many}'][name]:.2f}" for many in (5, 20, 50))
                             for name in ("naive_off", "corrected_off"))),
    ("uplift", "on whom a treatment works, order (1: perfect) where it is straight, has corners: best of ours, econml, causalml",
     lambda found: "; ".join(", ".join(f"{_best_order(found['simulated'][kind], who):.3f}"
                                       for who in ("ours", "econml", "causalml"))
                             for kind in ("straight", "corners"))),
    ("tabular_epoch", "an epoch of Adult at batch 1024, time over that of a bare torch loop",
     lambda found: _range(found["ratios"]["ours, 1024 / bare, 1024"])),
    ("tabular_epoch", "the same at batch 64; and with the batch that is chosen by default, over the bare loop at 64",
     lambda found: ", ".join(_range(found["ratios"][f"ours, {kind} / bare, 64"]) for kind in ("64", "default"))),
    ("million_rows", "seconds to read, check and pack a CSV of 1,000,000 rows and 12 columns",
     lambda found: _range(found["seconds"], 1)),
    ("cold_start", "seconds of a fresh process to a first, verified answer",
     lambda found: _range(found["seconds"]["first answer"])),
    ("cold_start", "seconds of `import drivetrain`",
     lambda found: _range(found["seconds"]["import drivetrain"], 3)),
]  # fmt: skip


def figures_table() -> str:
    """What was measured, from the results that are there."""
    lines = ["| measured | figure | with |", "|---|---|---|"]
    for name, words, figure in FIGURES:
        path = RESULTS / f"{name}.json"
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            lines.append(
                f"| {words} | {figure(found)} | [`bench/{name}.py`](bench/{name}.py), {found['date']} |"
            )
    return "\n".join(lines) + "\n"


def _best_order(found: dict[str, Any], who: str) -> float:
    return max(each["order"] for name, each in found.items() if name.startswith(who))


def metrics_table() -> str:
    """What each metric is called, and which way is better."""
    decides: dict[str, list[str]] = {}
    for kind, metrics in kinds().items():
        decides.setdefault(metrics.DECIDES, []).append(kind)
    lines = ["| in JSON and Python | in print | better | chooses between models of |", "|---|---|---|---|"]
    for key, found in known().items():
        better = ("higher" if found.higher else "lower") if found.ranks else "as asked for"
        lines.append(f"| `{key}` | {found.name} | {better} | {', '.join(decides.get(key, []))} |")
    return "\n".join(lines) + "\n"


SETTINGS = {
    "Settings": "[server]", "Limits": "[limits]", "Access": "[access]", "Key": "[[access.keys]]", "ModelSettings": "[models.NAME]",
    "Batching": "[models.NAME.batching]", "Kept": "[models.NAME.records]",
}  # fmt: skip
"""Class of settings -> its table in serve.toml."""


def settings_table() -> str:
    """Each setting of a server with its default, from the classes that hold them and what is written under their fields."""
    from drivetrain.serve import settings

    lines = ["| table | setting | default | meaning |", "|---|---|---|---|"]
    for name, table in SETTINGS.items():
        told = _told_of(getattr(settings, name))
        for setting in dataclasses.fields(getattr(settings, name)):
            # What has a table of its own is in that.
            if (
                "tuple[Key" in str(setting.type)
                or dataclasses.is_dataclass(setting.default)
                or "ModelSettings" in str(setting.type)
            ):
                continue
            plain = setting.default not in ("", None, (), dataclasses.MISSING)
            default = f"`{json.dumps(setting.default)}`" if plain else ""
            lines.append(f"| `{table}` | `{setting.name}` | {default} | {told[setting.name]} |")
    return "\n".join(lines) + "\n"


def _told_of(kind: type) -> dict[str, str]:
    """What is written under each field of a class, which Python itself doesn't keep."""
    source = inspect.getsource(sys.modules[kind.__module__])
    found = next(
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    )
    return {
        line.target.id: " ".join(str(after.value.value).split())
        for line, after in itertools.pairwise(found.body)
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
        and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    }  # fmt: skip


MAKERS = {
    "settings": settings_table,
    "verbs": verbs_table,
    "options": options_table,
    "figures": figures_table,
    "metrics": metrics_table,
}


def made(page: Path) -> str:
    """The page with its tables made anew."""
    text = page.read_text(encoding="utf-8")
    return MADE.sub(lambda match: match[1] + MAKERS[match[2]]() + match[4], text)


def main() -> None:
    for page in PAGES:
        text = made(page)
        if text != page.read_text(encoding="utf-8"):
            page.write_text(text, encoding="utf-8")
            print(to_json({"rewritten": str(page.relative_to(ROOT))}))


if __name__ == "__main__":
    main()
