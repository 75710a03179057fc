"""Architecture as tests: torch stays in its ring, importing is cheap, the command line's options are a promise."""

from __future__ import annotations

import gc
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

import drivetrain
from drivetrain.cli import run
from drivetrain.cli.main import build_parser

HEAVY = (
    "torch",
    "onnxruntime",
    "onnx",
    "transformers",
    "sklearn",
    "matplotlib",
    "pandas",
    "scipy",
    "numpy",
    "PIL",
    "rich",
)
WITHOUT_TORCH = (
    "drivetrain.bundle", "drivetrain.runtime", "drivetrain.metrics", "drivetrain.codecs", "drivetrain.evaluate",
    "drivetrain.data.checks.pictures", "drivetrain.data.store.pack", "drivetrain.data.read.folders", "drivetrain.data.dataset",
    "drivetrain.learn.by_name", "drivetrain.learn.trees.learner", "drivetrain.learn.baselines.supervised",
    "drivetrain.learn.trees.graph",
    "drivetrain.tasks.image_classification", "drivetrain.models.registry", "drivetrain.models.hub", "drivetrain.cli.main",
    "drivetrain.findings.comparison", "drivetrain.test_set_uses", "drivetrain.learn.runs.folder",
    "drivetrain.learn.runs.predictions", "drivetrain.records.recorder", "drivetrain.records.batch", "drivetrain.data.record_files",
    "drivetrain.decide", "drivetrain.effects", "drivetrain.evidence",
)  # fmt: skip


def modules_after(code: str) -> set[str]:
    listing = f"{code}\nimport sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_drivetrain_imports_nothing_heavy() -> None:
    assert not modules_after("import drivetrain").intersection(HEAVY)


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_the_rings_that_answer_never_import_torch(module: str) -> None:
    assert "torch" not in modules_after(f"import {module}")


def test_no_module_imports_itself_by_way_of_others() -> None:
    """At run time, imports within functions included."""
    graph = grimp.build_graph("drivetrain", exclude_type_checking_imports=True)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imported).prepare()  # Raises CycleError, which names the circle.


def test_the_guard_can_fail() -> None:
    assert "torch" in modules_after("import drivetrain.data.loader")


NOT_TO_TRAIN = (
    "torch._dynamo", "torch._inductor", "torch.distributed.fsdp", "torch.onnx", "sympy", "transformers", "torchvision",
    "onnxscript", "matplotlib.pyplot", "pandas", "optuna",
)  # fmt: skip
"""Each takes from a tenth to a whole second of CPU, and a table has no use for it."""


@pytest.mark.slow
def test_a_network_of_a_table_is_trained_and_exported_without_what_it_has_no_use_for(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("x,y\n" + "".join(f"{n * n % 41 / 10},{n % 7 / 4}\n" for n in range(60)))
    options = ["--target", "y", "--model", "mlp", "--epochs", "2", "--json", "--out", str(tmp_path / "run")]
    options += ["--export", str(tmp_path / "table.bundle")]
    code = f"from drivetrain.cli.main import main; assert main({['train', str(table), *options]}) == 0"
    found = modules_after(code)
    assert "torch.optim" in found  # It did train.
    assert not found.intersection(NOT_TO_TRAIN)


def test_a_command_looks_for_garbage_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.cli.main.main", lambda: 0)
    monkeypatch.setattr("drivetrain.cli.main.write_any_text", lambda as_json: None)
    usual = gc.get_threshold()
    try:
        with pytest.raises(SystemExit):
            run()
        assert gc.get_threshold()[0] > 10 * usual[0]
    finally:
        gc.set_threshold(*usual)


def test_the_command_line_and_all_tasks_need_only_the_base_install() -> None:
    absent = [
        "torch",
        "sklearn",
        "polars",
        "lightgbm",
        "onnx",
        "scipy",
        "optuna",
        "matplotlib",
        "pandas",
        "tomli_w",
        "tensorboardX",
    ]
    gone = f"import sys; sys.modules.update(dict.fromkeys({absent}))"
    code = "from drivetrain.cli.main import build_parser; from drivetrain.data.recipe import tasks"
    assert "drivetrain.tasks.recommendation" in modules_after(f"{gone}; {code}; build_parser(); tasks()")


def test_every_public_name_is_there() -> None:
    for name in drivetrain.__all__:
        assert getattr(drivetrain, name) is not None
    with pytest.raises(AttributeError, match="Did you mean"):
        drivetrain.Predicter  # noqa: B018


OF_SOURCE = (
    "source --task --valid --seed --split --test --drop-copies --image-size --resize --layout --rate --seconds --trim "
    "--name-pattern --target --column --ignore "
    "--missing --query --log-target --no-log-target --interval --cost --bytes-as "
    "--horizon --timestamp --item --known --past --static --hierarchy --freq "
    "--context --timezone --fill --join --tokenizer --user --rating --liked-from --header --titles --keep-seen --sequence "
    "--order --channels --labels --window --step --label-at --source --tokens"
)
"""Of every verb that reads a source: what each task's data may be said to be."""


def test_no_option_of_the_command_line_comes_or_goes_unnoticed() -> None:
    actions = next(action for action in build_parser()._actions if action.dest == "verb")
    found = {
        name: " ".join(
            option for action in command._actions for option in (action.option_strings or [action.dest])
        )
        for name, command in actions.choices.items()  # type: ignore[union-attr]
    }
    assert found == {
        "train": f"-h --help --json {OF_SOURCE} --model "
        "--epochs --time --lr --augment --frozen-epochs --vectors --batch-size --optimizer --weight-decay --dropout "
        "--label-smoothing --class-weights --loss --clip --accumulate --ema --early-stopping "
        "--precision --shard --no-check --out --export --resume --force",
        "check": f"-h --help --json {OF_SOURCE}",
        "show": f"-h --help --json {OF_SOURCE} --out "
        "--force",
        "labels": f"-h --help --json {OF_SOURCE} --model "
        "--folds --epochs --out --force",
        "curve": f"-h --help --json {OF_SOURCE} --model "
        "--epochs --repeats --out --force",
        "tune": f"-h --help --json {OF_SOURCE} "
        "--trials --time --metric --keep-all --out --model --epochs --lr --augment --frozen-epochs "
        "--batch-size --optimizer --weight-decay --dropout --label-smoothing --class-weights --loss "
        "--clip --accumulate --ema --early-stopping --precision",
        "compare": "-h --help --json runs --metric --all-pairs --out --force",
        "export": "-h --help --json run bundle --force",
        "verify": "-h --help --json bundle --trusted",
        "predict": "-h --help --json bundle --trusted inputs --out --keep --parts --windows --horizon --known-future --chart "
        "--beam --key --force --records --record-key --redact",
        "records": "-h --help --json store --model --key --since --until --limit --out --force --outcomes --forget --forget-input "
        "--retain",
        "decide": "-h --help --json plan --html --out --force --replay --outcomes",
        "anomalies": "-h --help --json bundle --trusted history --rate --out --chart --force",
        "refit": "-h --help --json bundle --trusted history --out --force",
        "evaluate": "-h --help --json bundle --trusted source --layout --name-pattern --query --labels --beam",
        "recommend": "-h --help --json bundle --trusted user --n --seen --liked --diversity --novelty "
        "--popularity-correction --include-seen",
        "similar": "-h --help --json bundle --trusted item --n",
        "embeddings": "-h --help --json bundle --out --force",
        "serve": "-h --help --json path --http --grpc --host --workers --config --records --trusted --new-key",
        "deploy": "-h --help --json path --out --container --compose --kubernetes --kserve --triton --space --binder "
        "--image --config",
        "generate": "-h --help --json bundle --trusted --prompt --out --force --length --temperature --top-k --top-p --beam --seed",
    }  # fmt: skip
