"""One step, one epoch, hooks, and the ways in which training stops."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import resuming
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

import drivetrain as dt
from drivetrain.data.loader import Tensors
from drivetrain.errors import FileError, TrainingError, UsageError
from drivetrain.learn import find_lr, loop, schedules
from drivetrain.learn.hooks import Hook, overridden
from drivetrain.learn.learner import Learner
from drivetrain.learn.runs.folder import next_folder
from drivetrain.learn.settings import Phase, Settings


@pytest.fixture(autouse=True)
def _no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of a run takes longer than training one neuron, and has its own tests."""
    monkeypatch.setattr("drivetrain.report.page.write_report", lambda path, content: path.touch())


def numbers(rows: int = 32, **columns: Any) -> dt.Dataset:
    x = np.linspace(-2, 2, rows).astype(np.float32)
    block = dt.DataBlock(
        inputs={"x": dt.Number(scaling="none")},
        targets={"y": dt.Number(scaling="none")},
        split=dt.split.none(),
    )
    return block.from_columns({"x": x, "y": 2 * x - 1, **columns})


def learner(tmp_path: Path, module: nn.Module | None = None, **options: Any) -> Learner:
    options = {
        "optimizer": "sgd",
        "weight_decay": 0.0,
        "momentum": 0.0,
        "out": tmp_path / "run",
        "quiet": True,
        **options,
    }
    return Learner(numbers(), module or nn.Linear(1, 1), **options)


def test_one_neuron_learns_the_line(tmp_path: Path) -> None:
    neuron = nn.Linear(1, 1)
    trained = learner(tmp_path, neuron, batch_size=32)
    trained.fit(200, lr=0.1, schedule="constant")
    assert trained.predict(10).value == pytest.approx(19, abs=0.05)
    assert neuron.weight.item() == pytest.approx(2, abs=0.02)
    assert neuron.bias.item() == pytest.approx(-1, abs=0.02)


def test_one_step_is_the_step_of_plain_torch(tmp_path: Path) -> None:
    module = nn.Linear(1, 1)
    twin = nn.Linear(1, 1)
    twin.load_state_dict(module.state_dict())
    trained = learner(tmp_path, module, batch_size=32)
    trained.fit(1, lr=0.1, schedule="constant")
    x = torch.from_numpy(numbers().table["x"]).reshape(-1, 1)
    loss = nn.functional.mse_loss(twin(x), 2 * x - 1)
    loss.backward()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter -= 0.1 * parameter.grad
    assert torch.allclose(module.weight, twin.weight, atol=1e-6)
    assert trained.history[0]["train_loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_accumulated_small_batches_are_the_large_batch(tmp_path: Path) -> None:
    ends = []
    for number, (size, accumulate) in enumerate([(32, 1), (8, 4)]):
        torch.manual_seed(1)
        module = nn.Linear(1, 1)
        Learner(
            numbers(), module, optimizer="sgd", weight_decay=0.0, batch_size=size, accumulate=accumulate,
            out=tmp_path / str(number), quiet=True,
        ).fit(3, lr=0.1, schedule="constant")  # fmt: skip
        ends.append(module.weight.item())
    assert ends[0] == pytest.approx(ends[1], rel=1e-5)


def test_errors_whose_squares_go_beyond_32_bits_are_numbers(tmp_path: Path) -> None:
    column = np.linspace(-2, 2, 32).astype(np.float32)
    block = dt.DataBlock(
        inputs={"x": dt.Number()}, targets={"y": dt.Number()}, split=dt.split.random(valid=0.5)
    )
    data = block.from_columns({"x": column, "y": column * 1e19})
    trained = Learner(data, nn.Linear(1, 1), out=tmp_path / "run", quiet=True)
    trained.fit(1)
    (row,) = trained.history
    assert 1e18 < row["train_error"] < 1e21
    assert 1e18 < row["valid_error"] < 1e21


class Blows(nn.Module):
    """A linear layer whose output is not a number from the second call on."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(1, 4)
        self.norm = nn.BatchNorm1d(4)
        self.broken = nn.Linear(4, 1)
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += self.training
        hidden = self.norm(self.first(x))
        return self.broken(hidden * (math.inf if self.calls > 2 else 1.0))


def test_a_loss_that_is_not_a_number_stops_before_weights_change_and_names_layer_and_batch(
    tmp_path: Path,
) -> None:
    module = Blows()
    before: dict[str, torch.Tensor] = {}

    class Keep(Hook):
        def on_batch_start(self, learner: Learner, batch: dict[str, torch.Tensor]) -> None:
            before.update({key: value.clone() for key, value in learner.network.state_dict().items()})

    trained = learner(tmp_path, module, batch_size=8, hooks=[Keep()])
    with pytest.raises(TrainingError, match="broken") as caught:
        trained.fit(2, lr=0.01)
    assert caught.value.where == "epoch 1, batch 3 of 4"
    after = trained.network.state_dict()
    floats = [key for key in after if after[key].is_floating_point()]
    assert any("running_mean" in key for key in floats)
    assert all(torch.equal(after[key], before[key]) for key in floats)


def test_a_loss_that_is_not_a_number_claims_nothing_of_the_batches_before(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="before this batch changed a weight"):
        learner(tmp_path, Blows(), batch_size=8).fit(1, lr=0.01)


def test_a_number_that_is_not_finite_in_the_input_is_named(tmp_path: Path) -> None:
    trained = learner(tmp_path, batch_size=32)
    trained.tensors("train").arrays[("x",)][3] = math.nan
    with pytest.raises(TrainingError, match="the input 'x' has it already"):
        trained.fit(1)


def test_hooks_are_called_in_order_and_the_unused_ones_cost_nothing(tmp_path: Path) -> None:
    seen: list[str] = []

    class Note(Hook):
        def on_fit_start(self, learner: Learner, phase: Phase) -> None:
            seen.append("fit")

        def on_loss(self, learner: Learner, loss: torch.Tensor) -> None:
            seen.append("loss")

        def on_batch_end(self, learner: Learner, step: int, loss: float) -> None:
            seen.append(f"batch {step}")

        def on_epoch_end(self, learner: Learner, row: dict[str, Any]) -> None:
            seen.append(f"epoch {row['epoch']}")

        def on_fit_end(self, learner: Learner, phase: Phase) -> None:
            seen.append("end")

    learner(tmp_path, batch_size=16, hooks=[Note()]).fit(1)
    assert seen == ["fit", "loss", "batch 1", "loss", "batch 2", "epoch 1", "end"]
    assert overridden([Hook()], "on_loss") == []


@pytest.mark.parametrize("hooks", [[Hook], Hook(), [print], "hooks", None])
def test_what_is_no_hook_is_refused_when_the_learner_is_made(tmp_path: Path, hooks: Any) -> None:
    with pytest.raises(UsageError) as caught:
        learner(tmp_path, hooks=hooks)
    assert caught.value.where == "hooks"
    assert "hooks=[" in caught.value.fix


def test_a_misspelt_moment_of_a_hook_is_refused_with_the_nearest(tmp_path: Path) -> None:
    class Watch(Hook):
        def on_bacth_end(self, learner: Learner, step: int, loss: float) -> None: ...

    class Far(Hook):
        def on_zzz(self) -> None: ...

    with pytest.raises(UsageError, match="Watch has a method on_bacth_end") as caught:
        learner(tmp_path, hooks=[Watch()])
    assert "on_batch_end" in caught.value.fix
    with pytest.raises(UsageError, match="on_zzz") as caught:
        learner(tmp_path, hooks=[Far()])
    assert "on_fit_start" in caught.value.fix


def test_a_hook_reads_and_changes_the_fields_of_a_batch(tmp_path: Path) -> None:
    seen = []

    class Doubles(Hook):
        def on_batch_start(self, learner: Learner, batch: dict[str, torch.Tensor]) -> None:
            seen.append(batch["x"].clone())
            batch["x"] = 2 * batch["x"]
            batch["y"][:] = 0.0
            with pytest.raises(KeyError):
                batch["z"]

    module = nn.Linear(1, 1)
    with torch.no_grad():
        expected = (module(torch.linspace(-4, 4, 32).unsqueeze(1)) ** 2).mean().item()
    trained = learner(tmp_path, module, batch_size=32, hooks=[Doubles()])
    trained.fit(1, lr=1e-9)
    assert seen[0].sort().values.tolist() == pytest.approx(np.linspace(-2, 2, 32).tolist())
    assert trained.history[0]["train_loss"] == pytest.approx(expected, rel=1e-5)


def test_early_stopping_ends_and_gives_the_best_weights_back(tmp_path: Path) -> None:
    trained = Learner(
        resuming.dataset(),
        resuming.module(),
        augment=None,
        early_stopping=1,
        out=tmp_path / "run",
        quiet=True,
    )
    trained.fit(40, lr=0.2, schedule="constant")
    losses = [row["valid_loss"] for row in trained.history]
    assert len(losses) < 40
    assert min(losses[:-1]) < losses[-1]
    training = loop.start_phase(trained, Phase(1, 0.1))
    assert loop.validate(trained, training)[0] == pytest.approx(min(losses), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("patience", [None, 3])
def test_a_loss_that_rose_is_told_where_its_weights_are_kept(tmp_path: Path, patience: int | None) -> None:
    options = {**resuming.options(tmp_path / "run"), "ema": None, "early_stopping": patience}
    trained = Learner(resuming.dataset(wrong=4), resuming.module(), augment="none", **options)
    result = trained.fit(40, lr=0.2, schedule="constant")
    assert any("early stopping" in note for note in result["notes"]) is (patience is None)


def test_find_lr_suggests_and_leaves_the_learner_as_it_was(tmp_path: Path) -> None:
    trained = Learner(
        resuming.dataset(), resuming.module(), augment="digits", ema=0.9, out=tmp_path / "run", quiet=True
    )
    before = {key: value.clone() for key, value in trained.network.state_dict().items()}
    states = trained.generators.states(in_epoch=False)
    found = trained.find_lr(steps=40)
    assert 1e-6 < found.suggestion < 1.0
    assert all(torch.equal(before[key], value) for key, value in trained.network.state_dict().items())
    after = trained.generators.states(in_epoch=False)
    assert all(torch.equal(states[name], after[name]) for name in states)
    assert trained.run is None


def test_a_validation_loss_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    class Breaks(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return super().forward(input) * (1 if self.training else math.nan)

    x = np.linspace(-1, 1, 40).astype(np.float32)
    data = dt.DataBlock(inputs={"x": dt.Number()}, targets={"y": dt.Number()}).from_columns({"x": x, "y": x})
    trained = Learner(data, Breaks(1, 1), out=tmp_path / "run", quiet=True)
    with pytest.raises(TrainingError, match="validation loss of epoch 1 is nan"):
        trained.fit(2, lr=0.01)


def test_what_is_suggested_is_a_decade_above_half_of_the_fall_and_not_where_the_loss_rises() -> None:
    rates = np.geomspace(1e-6, 1, 100)
    losses = 2 - 1.5 / (1 + np.exp(-3 * np.log10(rates / 1e-4)))  # Falls around 1e-4.
    assert find_lr._suggested(rates, losses) == pytest.approx(1e-3, rel=0.2)
    assert find_lr._suggested(rates, losses, least=5e-3) == 5e-3
    losses[45:] += np.linspace(0.5, 5, 55)  # From 5e-4 on it goes up.
    assert find_lr._suggested(rates, losses) < 6e-4
    assert find_lr._suggested(rates, losses, least=5e-3) < 6e-4


@pytest.mark.slow
def test_a_small_table_has_a_learning_rate_and_not_one_for_each_seed() -> None:
    """824 rows gave 1.6e-6 to 3.3e-3 over six seeds."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(300, 6))
    label = np.where(x[:, 0] - x[:, 1] + draw.normal(size=300) > 0, "yes", "no")
    columns = {**{f"c{place}": column.tolist() for place, column in enumerate(x.T)}, "y": label.tolist()}
    found = [
        dt.tabular.from_frame(columns, "y").learner("mlp", seed=seed, quiet=True).find_lr().suggestion
        for seed in range(6)
    ]
    assert max(found) < 5 * min(found)
    assert min(found) >= 6e-4
    assert max(found) <= 3e-2


def test_find_lr_refuses_what_leaves_nothing_to_try(tmp_path: Path) -> None:
    trained = learner(tmp_path)
    for wrong in ({"steps": 2}, {"lowest": 0.0}, {"lowest": 1.0, "highest": 0.1}):
        with pytest.raises(UsageError, match="rise"):
            trained.find_lr(**wrong)


def test_find_lr_in_the_middle_of_an_epoch_changes_nothing_of_what_follows(tmp_path: Path) -> None:
    ends = []
    for asked in (False, True):
        trained = Learner(
            resuming.dataset(), resuming.module(), augment="digits", hooks=[resuming.StopAfter(2)],
            **resuming.options(tmp_path / str(asked)),
        )  # fmt: skip
        trained.train([Phase(2, 1e-2)])
        assert trained.position.batch > 0
        if asked:
            trained.find_lr(steps=8)
        trained.go_on()
        ends.append(resuming.state_hash(trained))
    assert ends[0] == ends[1]


def test_a_batch_on_the_device_is_not_copied_through_pinned_memory() -> None:
    """The device of a learner is "cuda", that of a tensor "cuda:0". Fake tensors need no GPU."""
    with FakeTensorMode():
        there = torch.device("cuda:0")
        rows = Tensors(
            {"x": torch.empty(8, 2, device=there)}, torch.arange(8, device=there), torch.device("cuda")
        )
        assert rows.gather(torch.arange(3))["x"].shape == (3, 2)


def test_an_average_follows_quickly_at_first(tmp_path: Path) -> None:
    """With 0.999 it would still be mostly the weights before training after these 80 steps."""
    trained = learner(tmp_path, batch_size=8, ema=0.999)
    trained.fit(20, lr=0.1)
    neuron, average = trained.network.combiner, trained.evaluated_network().combiner
    assert neuron.weight.item() == pytest.approx(2.0, abs=0.2)
    assert average.weight.item() == pytest.approx(neuron.weight.item(), abs=0.4)


def test_notes_are_told_when_training_begins_and_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = learner(tmp_path, quiet=False)
    trained.notes.append("there is no network: training from scratch")
    trained.fit(1)
    trained.fit(1)
    assert capsys.readouterr().err.count("note: there is no network") == 1


def test_the_average_is_what_is_validated_and_exported(tmp_path: Path) -> None:
    trained = learner(tmp_path, batch_size=8, ema=0.5)
    trained.fit(2, lr=0.05)
    assert trained.average is not None
    assert trained.evaluated_network() is trained.average.module
    assert not torch.equal(trained.network.combiner.weight, trained.evaluated_network().combiner.weight)


def test_the_same_seed_gives_the_same_weights_and_torch_is_left_alone(tmp_path: Path) -> None:
    ends = []
    for number in range(2):
        torch.manual_seed(99)
        trained = Learner(
            resuming.dataset(),
            resuming.module(),
            augment="digits",
            seed=3,
            out=tmp_path / str(number),
            quiet=True,
        )
        outer = torch.get_rng_state()
        trained.fit(1)
        assert torch.equal(outer, torch.get_rng_state())
        ends.append(trained.network.bodies[0][5].weight.clone())
    assert torch.equal(*ends)


def test_one_cycle_rises_to_the_peak_and_falls_to_nearly_nothing() -> None:
    rates = [schedules.factor("one_cycle", step, 101) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == pytest.approx(rates[25]) == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(1e-5)
    assert all(later >= earlier for earlier, later in itertools.pairwise(rates[:26]))


def test_a_module_that_does_not_fit_is_told_so_with_shapes(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"needs \(batch, 3\)"):
        Learner(resuming.dataset(), nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), out=tmp_path, quiet=True)
    with pytest.raises(TrainingError, match="can't take its input") as caught:
        Learner(resuming.dataset(), nn.Linear(7, 3), out=tmp_path, quiet=True)
    assert "(batch, 3, 8, 8)" in caught.value.fix


def test_a_module_that_ends_in_softmax_is_noticed(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(192, 3), nn.Softmax(1))
    trained = Learner(resuming.dataset(), module, out=tmp_path, quiet=True)
    assert any("softmax" in note for note in trained.notes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("optimizer", "rmsprop"),
        ("dropout", 1.0),
        ("clip", -1.0),
        ("accumulate", 0),
        ("ema", 2.0),
        ("seed", -1),
    ],
)
def test_impossible_settings_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Settings(**{name: value})
    assert caught.value.where == name


def test_a_misspelt_option_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="batch_sise") as caught:
        learner(tmp_path, batch_sise=3)
    assert "batch_size" in caught.value.fix


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("lr", "give it to fit"),
        ("learning_rate", "give it to fit"),
        ("epochs", "give it to fit"),
        ("schedule", "give it to fit"),
        ("augmentation", "augment"),
        ("hoks", "hooks"),
        ("zzz", "batch_size"),
    ],
)
def test_an_unknown_option_always_says_what_to_do(tmp_path: Path, name: str, fix: str) -> None:
    with pytest.raises(UsageError, match=f"no option '{name}'") as caught:
        learner(tmp_path, **{name: 1})
    assert fix in caught.value.fix


@pytest.mark.parametrize("model", [nn.Linear, lambda x: x, 5, ["cnn"]])
def test_a_model_that_is_neither_name_nor_module_is_refused(tmp_path: Path, model: Any) -> None:
    with pytest.raises(UsageError) as caught:
        numbers().learner(model, out=tmp_path / "run")
    assert caught.value.where == "model"
    assert "Linear(...)" in caught.value.fix if model is nn.Linear else "torch.nn.Module" in caught.value.fix


def test_a_model_that_was_never_trained_does_not_answer(tmp_path: Path) -> None:
    new = numbers().learner("mlp", out=tmp_path / "run", quiet=True)
    for act in (lambda: new.predict(1.0), lambda: new.interpret("train"), new.go_on):
        with pytest.raises(TrainingError, match="not trained yet") as caught:
            act()
        assert "fit" in caught.value.fix
    new.fit(1)
    assert math.isfinite(new.predict(1.0).value)


def test_a_module_of_the_user_s_own_answers_with_the_weights_that_it_came_with(tmp_path: Path) -> None:
    module = nn.Linear(1, 1)
    assert learner(tmp_path, module).predict(1.0).value == pytest.approx(module(torch.ones(1, 1)).item())


def test_an_existing_run_is_refused_without_force(tmp_path: Path) -> None:
    learner(tmp_path).fit(1)
    with pytest.raises(FileError, match="something in it") as caught:
        learner(tmp_path).fit(1)
    assert "--force" in caught.value.fix
    learner(tmp_path, force=True).fit(1)


def test_force_removes_what_runs_write_and_nothing_else(tmp_path: Path) -> None:
    learner(tmp_path).fit(1)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    learner(tmp_path, force=True).fit(1)
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_a_run_holds_what_was_asked_and_what_came_of_it(tmp_path: Path) -> None:
    trained = learner(tmp_path, batch_size=16, seed=5)
    result = trained.fit(2)
    from drivetrain.learn.runs.folder import Run

    run = Run.open(tmp_path / "run")
    config = run.read_config()
    assert config["settings"]["seed"] == 5
    assert config["phases"][0]["epochs"] == 2
    assert config["versions"]["torch"] == torch.__version__
    assert run.read_history() == trained.history
    assert run.read_result() == result
    assert list((tmp_path / "run").glob("events.*"))
    assert result["epochs"] == 2


def test_the_normalisation_is_that_of_all_classes_and_not_of_the_first(tmp_path: Path) -> None:
    images = np.repeat(np.array([0, 200], np.uint8), 1000)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    data = dt.image_classification.from_arrays(images, np.repeat([0, 1], 1000))
    trained = data.learner(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), out=tmp_path, quiet=True)
    encoder = trained.network.encoders["image"].pictures[0]
    assert (-encoder.shift / encoder.scale).item() == pytest.approx(100, abs=2)
    assert (1 / encoder.scale).item() == pytest.approx(100, rel=0.02)


def test_two_that_start_at_once_get_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "iris-002").mkdir(parents=True)
    assert [next_folder("iris").name for _ in range(2)] == ["iris-001", "iris-003"]
    trained = Learner(numbers(), nn.Linear(1, 1), quiet=True)
    trained.fit(1)
    assert trained.run == Path("runs/values-001")
    (tmp_path / "file").mkdir()
    monkeypatch.chdir(tmp_path / "file")
    Path("runs").write_text("")
    with pytest.raises(FileError, match="not a folder"):
        next_folder("iris")
