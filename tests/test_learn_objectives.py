"""Objectives: the step of a training as a function, several networks each with its optimiser, and what a bad batch leaves."""

from __future__ import annotations

import base64
import math
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import resuming
import torch
from torch import Tensor, nn

import drivetrain as dt
from drivetrain import extensions
from drivetrain.errors import TrainingError, UsageError
from drivetrain.learn.bare import train_bare
from drivetrain.learn.hooks import Hook
from drivetrain.learn.learner import Learner
from drivetrain.learn.loop import Position
from drivetrain.learn.objectives.base import Objective, objectives
from drivetrain.learn.runs import checkpoints
from drivetrain.learn.settings import Phase


def line(rows: int = 32, valid: float = 0.0) -> dt.Dataset:
    x = np.linspace(-2, 2, rows).astype(np.float32)
    number = dt.Number(scaling="none")
    split = dt.split.random(valid, seed=0) if valid else dt.split.none()
    block = dt.DataBlock(inputs={"x": number}, targets={"y": number}, split=split)
    return block.from_columns({"x": x, "y": 2 * x - 1})


def error(nets: Any, batch: Any) -> Tensor:
    return (nets.network(batch)["y"] - batch["y"]).square()


def squares(training: Any, nets: Any, batch: Any) -> Iterator[tuple[str, Tensor]]:
    """What the supervised step does, said anew."""
    yield "network", error(nets, batch).mean()


def two(training: Any, nets: Any, batch: Any) -> Iterator[tuple[str, Tensor]]:
    """The second network learns what the first one's error is, the first to have none that the second foretells."""
    column = batch["x"].reshape(-1, 1)
    yield "judge", (nets.judge(column).squeeze(1) - error(nets, batch).detach()).square().mean()
    yield "network", (error(nets, batch) * nets.judge(column).squeeze(1).sigmoid()).mean()


def judge() -> nn.Module:
    torch.manual_seed(4)
    return nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1))


def neuron() -> nn.Module:
    torch.manual_seed(5)
    return nn.Linear(1, 1)


def learner(out: Path, objective: Any, valid: float = 0.0, **options: Any) -> Learner:
    options = {"batch_size": 8, "quiet": True, **options}
    made = Learner(line(valid=valid), neuron(), objective=objective, out=out, **options)
    made.brief = True  # a report takes longer than the training
    return made


def tensors(made: Learner) -> dict[str, Tensor]:
    assert made.run is not None
    found = checkpoints.load(made.run / "checkpoints")
    assert found is not None
    return found.tensors


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# --- one network ----------------------------------------------------------------------------------------------


def test_a_step_of_ones_own_trains_as_the_supervised_one_that_it_repeats(tmp_path: Path) -> None:
    ends = []
    for number, objective in enumerate(["supervised", Objective(squares)]):
        made = learner(tmp_path / str(number), objective, clip=1.0, accumulate=2, ema=0.9)
        made.fit(3, lr=0.1)
        ends.append((tensors(made), [row["train_loss"] for row in made.history]))
    assert ends[0][1] == ends[1][1]
    assert same(ends[0][0], ends[1][0])
    assert made.history[0]["train_error"] is None, "nobody said what the error is"
    assert made.history[0]["valid_loss"] is None


def test_the_valid_loss_is_what_the_objective_says(tmp_path: Path) -> None:
    def valid(training: Any, nets: Any, batch: Any) -> Tensor:
        return error(nets, batch)

    usual = learner(tmp_path / "a", "supervised", valid=0.25)
    usual.fit(2, lr=0.1)
    own = learner(tmp_path / "b", Objective(squares, valid=valid), valid=0.25, early_stopping=1)
    own.fit(2, lr=0.1)
    assert [row["valid_loss"] for row in own.history] == [row["valid_loss"] for row in usual.history]
    assert own.history[0]["valid_error"] is None


def test_find_lr_takes_the_steps_of_the_objective(tmp_path: Path) -> None:
    ways = [
        learner(tmp_path, objective).find_lr(steps=20) for objective in ("supervised", Objective(squares))
    ]
    assert ways[0] == ways[1]


# --- two networks ---------------------------------------------------------------------------------------------


def test_two_networks_train_each_by_its_own_loss(tmp_path: Path) -> None:
    own = judge()
    before = {name: value.clone() for name, value in own.state_dict().items()}
    made = learner(tmp_path, Objective(two, networks={"judge": own}))
    made.fit(2, lr=0.05)
    assert all(not torch.equal(before[name], value) for name, value in own.state_dict().items())
    assert made.history[1]["judge_loss"] < made.history[0]["judge_loss"]
    assert set(made.history[0]) >= {"train_loss", "judge_loss", "learning_rate"}
    assert any(name.startswith("beside.judge.") for name in tensors(made))


def test_the_step_of_two_optimisers_is_that_of_plain_torch(tmp_path: Path) -> None:
    """Each loss goes to its own network's weights alone, and the second sees the first one's step."""
    options = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "batch_size": 32}
    own, first, second = nn.Linear(1, 1), nn.Linear(1, 1), neuron()
    first.load_state_dict(own.state_dict())
    made = learner(tmp_path, Objective(two, networks={"judge": own}), **options)
    made.fit(1, lr=0.1, schedule="constant")
    x = torch.from_numpy(line().table["x"]).reshape(-1, 1)

    def wrong() -> Tensor:
        return (second(x) - (2 * x - 1)).square().squeeze(1)

    for trained, loss in (
        (first, lambda: (first(x).squeeze(1) - wrong().detach()).square().mean()),
        (second, lambda: (wrong() * first(x).squeeze(1).sigmoid()).mean()),
    ):
        for weight, slope in zip(
            trained.parameters(), torch.autograd.grad(loss(), list(trained.parameters()))
        ):
            with torch.no_grad():
                weight -= 0.1 * slope
    found = [*own.parameters(), *made.network.combiner.parameters()]
    for weight, wanted in zip(found, [*first.parameters(), *second.parameters()]):
        assert torch.allclose(weight, wanted, atol=1e-6)


@pytest.mark.parametrize("batches", [1, 3, 4, 6])
def test_stopped_anywhere_it_goes_on_to_the_same_bits(tmp_path: Path, batches: int) -> None:
    def start(name: str, *hooks: Hook) -> Learner:
        objective = Objective(two, networks={"judge": judge()})
        made = learner(tmp_path / name, objective, ema=0.9, hooks=list(hooks), seed=3)
        made.train([Phase(2, 0.05)])
        return made

    whole = start("whole")
    start("stopped", resuming.StopAfter(batches))
    made = Learner.resume(
        tmp_path / "stopped",
        line(),
        neuron(),
        objective=Objective(two, networks={"judge": judge()}),
        quiet=True,
    )
    made.brief = True
    made.go_on()
    assert same(tensors(made), tensors(whole))
    without_time = [[{**row, "seconds": 0} for row in each.history] for each in (made, whole)]
    assert without_time[0] == without_time[1]


NAMED = """
from test_learn_objectives import two
from torch import nn
from drivetrain import Objective

def networks(signature):
    (name,) = signature.inputs
    assert name == "x"
    return {"judge": nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))}

OBJECTIVE = Objective(two, networks, name="judged")
"""


@pytest.fixture
def judging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "judging" / "learn" / "objectives"
    folder.mkdir(parents=True)
    (folder / "judged.py").write_text(NAMED)
    monkeypatch.syspath_prepend(str(tmp_path))
    extensions.register("judging")
    yield
    extensions.forget()
    for name in [name for name in sys.modules if name.partition(".")[0] == "judging"]:
        del sys.modules[name]


@pytest.mark.usefixtures("judging")
def test_an_objective_of_an_extension_is_found_by_its_name_and_makes_its_networks_under_the_seed(
    tmp_path: Path,
) -> None:
    assert list(objectives()) == ["judged", "supervised", "writing"]
    whole = learner(tmp_path / "whole", "judged", seed=3)
    whole.fit(2, lr=0.05)
    learner(tmp_path / "stopped", "judged", seed=3, hooks=[resuming.StopAfter(5)]).fit(2, lr=0.05)
    made = Learner.resume(tmp_path / "stopped", line(), neuron(), quiet=True)
    assert made.beside["judge"] is not whole.beside["judge"]
    made.brief = True
    made.go_on()
    assert same(tensors(made), tensors(whole))


def test_an_objective_of_ones_own_must_be_given_again(tmp_path: Path) -> None:
    learner(tmp_path / "run", Objective(squares)).fit(1)
    with pytest.raises(UsageError, match="objective of its own, squares") as caught:
        Learner.resume(tmp_path / "run", line(), neuron())
    assert "objective=" in caught.value.fix


def test_a_network_that_needs_no_gradient_stays_as_it_is(tmp_path: Path) -> None:
    fixed = judge().requires_grad_(False)
    before = {name: value.clone() for name, value in fixed.state_dict().items()}

    def guided(training: Any, nets: Any, batch: Any) -> Iterator[tuple[str, Tensor]]:
        assert not nets.judge.training
        yield "network", (nets.judge(nets.network(batch)["y"].reshape(-1, 1)) - 1).square().mean()

    made = learner(tmp_path, Objective(guided, networks={"judge": fixed}))
    made.fit(2, lr=0.1)
    assert same(before, fixed.state_dict())
    assert list(made.history[0]).count("judge_loss") == 0


# --- what can't be --------------------------------------------------------------------------------------------


def asking(*asked: Any) -> Any:
    def step(training: Any, nets: Any, batch: Any) -> Iterator[Any]:
        yield from (ask(nets, batch) for ask in asked)

    return step


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (lambda training, nets, batch: error(nets, batch).mean(), 'yield "network", loss'),
        (asking(lambda nets, batch: ("netwrok", error(nets, batch).mean())), "mean network"),
        (asking(lambda nets, batch: ("network", error(nets, batch))), "of one number"),
        (asking(lambda nets, batch: error(nets, batch).mean()), "name of a network"),
        (asking(lambda nets, batch: ("network", error(nets, batch).mean().detach())), "not depend"),
        (asking(*[lambda nets, batch: ("network", error(nets, batch).mean())] * 2), "twice"),
        (asking(), "no update in the whole first epoch"),
    ],
)
def test_a_step_that_asks_for_what_cannot_be_is_told(tmp_path: Path, step: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        learner(tmp_path, Objective(step, name="odd")).fit(1)


def test_what_no_objective_can_be_is_refused_when_it_is_made(tmp_path: Path) -> None:
    for networks in ({"network": judge()}, {"a b": judge()}, {"judge": 3}):
        with pytest.raises(UsageError) as caught:
            Objective(two, networks=networks)  # type: ignore[arg-type]
        assert caught.value.where == "objective"
    with pytest.raises(UsageError, match="function"):
        Objective("two")  # type: ignore[arg-type]
    for wrong in ("supervise", 3, Objective(squares, name="supervised")):
        with pytest.raises(UsageError) as caught:
            learner(tmp_path, wrong)
        assert caught.value.where == "objective"
    assert list(objectives()) == ["supervised", "writing"]


def test_what_needs_one_loss_is_refused_where_there_is_none_or_several(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no valid loss"):
        learner(tmp_path, Objective(squares), valid=0.25, early_stopping=2)
    with pytest.raises(UsageError, match="where one loss falls"):
        learner(tmp_path, Objective(two, networks={"judge": judge()})).find_lr()


def test_heads_alone_are_not_trained_by_an_objective_of_ones_own(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="heads alone") as caught:
        learner(tmp_path, Objective(squares)).train([Phase(1, 0.1, frozen=True)])
    assert caught.value.where == "frozen_epochs"
    assert not (tmp_path / "config.toml").exists()


def test_trainings_of_one_module_and_one_objective_begin_alike() -> None:
    """As for a learning curve: its second model is not the first one trained on."""
    module, objective = neuron(), Objective(two, networks={"judge": judge()})
    ends = [train_bare(line(), module, 2, objective=objective, batch_size=8) for _ in range(2)]
    assert same(*(state(made) for made in ends))
    assert torch.equal(module.weight, neuron().weight)


def test_what_is_no_network_has_no_objective() -> None:
    data = dt.tabular.from_frame({"x": [0.5, 1.5] * 20, "y": [1.5, 2.5] * 20}, "y")
    with pytest.raises(UsageError, match="trees has no objective"):
        data.learner("trees", objective=Objective(squares))


# --- a batch whose loss is no number --------------------------------------------------------------------------


class Keep(Hook):
    """Remember all state before each batch; from the third one on spoil it."""

    def __init__(self) -> None:
        self.before: dict[str, Tensor] = {}
        self.left = 3

    def on_batch_start(self, learner: Learner, batch: dict[str, Tensor]) -> None:
        self.before = state(learner)
        self.left -= 1
        if not self.left:
            batch["x"][:] = math.nan


def state(made: Learner) -> dict[str, Tensor]:
    """Every weight and buffer, of which no one is left out for its name or dtype."""
    return {
        f"{name}.{key}": value.clone()
        for name, network in made.networks.items()
        for key, value in (*network.named_parameters(), *network.named_buffers())
    }


def spoilt(made: Learner) -> str:
    with pytest.raises(TrainingError, match="before this batch changed a weight") as caught:
        made.fit(1, lr=0.05)
    return str(caught.value)


def test_a_bad_batch_leaves_no_mark_on_batch_norm_in_encoder_or_head(tmp_path: Path) -> None:
    kept = Keep()
    made = learner(tmp_path, "supervised", hooks=[kept])
    (encoder,) = made.network.encoders.values()
    encoder.norm = nn.BatchNorm1d(1)
    encoder.register_forward_hook(lambda module, given, parts: [module.norm(part) for part in parts])
    (head,) = made.network.head_modules
    head.layers = nn.BatchNorm1d(1, momentum=None)  # an average of all batches, by their number
    spoilt(made)
    after = state(made)
    assert sum("running_mean" in name for name in after) == 2
    assert sum("num_batches_tracked" in name for name in after) == 2
    assert all(value.isfinite().all() for value in after.values())
    assert same(kept.before, after)
    assert any(value == 2 for name, value in after.items() if "num_batches" in name), (
        "two good batches came before"
    )


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_second_loss_that_is_no_number_takes_the_first_ones_step_back(tmp_path: Path, ahead: int) -> None:
    """Also in the first batch, before which the optimisers had no state."""

    def step(training: Any, nets: Any, batch: Any) -> Iterator[tuple[str, Tensor]]:
        column = torch.linspace(-1, 1, len(batch["x"])).reshape(-1, 1)
        yield "judge", nets.judge(column).square().mean()
        yield "network", error(nets, batch).mean()

    kept = Keep()
    kept.left = 1 + ahead
    made = learner(tmp_path, Objective(step, networks={"judge": judge()}), hooks=[kept])
    told = spoilt(made)
    assert "'x' has it already" in told
    assert same(kept.before, state(made))


def test_the_layer_is_named_by_its_network(tmp_path: Path) -> None:
    class Root(nn.Module):
        def forward(self, column: Tensor) -> Tensor:
            return column.sqrt()

    bad = nn.Sequential(nn.Linear(1, 1), Root())
    nn.init.constant_(bad[0].weight, 0.0)
    nn.init.constant_(bad[0].bias, -1.0)
    made = learner(tmp_path, Objective(two, networks={"judge": bad}))
    with pytest.raises(TrainingError, match=r"judge\.1 \(Root\)"):
        made.fit(1)


# --- runs made before -----------------------------------------------------------------------------------------


def test_a_checkpoint_of_the_version_before_objectives_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    """Its optimiser is not named, and its position has two sums."""

    def start(name: str, *hooks: Hook) -> Learner:
        made = learner(tmp_path / name, "supervised", hooks=list(hooks))
        made.train([Phase(2, 0.05)])
        return made

    whole, stopped = start("whole"), start("stopped", resuming.StopAfter(6))
    folder = tmp_path / "stopped" / "checkpoints"
    found = checkpoints.load(folder)
    assert found is not None
    older = {name.replace("optimizer.network.", "optimizer."): value for name, value in found.tensors.items()}
    position = found.progress["position"]
    (loss, rows), (wrong, _) = (position["sums"].pop(f"train_{kind}") for kind in ("loss", "error"))
    assert not position.pop("sums")
    assert rows == 16
    position |= {"seen": rows, "loss_sum": loss, "error_sum": wrong}
    for path in folder.iterdir():
        path.unlink()
    checkpoints.save(folder, 1, older, found.progress)
    config = stopped.run / "config.toml"  # type: ignore[operator]
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(each for each in lines if not each.startswith("objective")))
    made = Learner.resume(stopped.run, line(), neuron(), quiet=True)  # type: ignore[arg-type]
    made.brief = True
    made.go_on()
    assert same(tensors(made), tensors(whole))
    assert [row["train_loss"] for row in made.history] == [row["train_loss"] for row in whole.history]


def test_a_position_survives_its_checkpoint() -> None:
    position = Position(1, 2, 3, 4)
    position.add("train_loss", 2.0, 8)
    position.add("train_loss", 4.0, 4)
    assert Position.from_json({**vars(position)}).mean("train_loss") == 0.5
    assert position.mean("train_error") is None


# --- made pictures --------------------------------------------------------------------------------------------

CODES = ["a", "b"]
RAMP = np.linspace(-1, 1, 8)


def pictures(rows: int, seed: int) -> np.ndarray:
    """uint8 (rows, 8, 8, 1): grey that rises or falls from top to bottom, and less from left to right."""
    down, across = np.random.default_rng(seed).normal(size=(2, rows, 1, 1)) * [[[[40]]], [[[15]]]]
    return np.clip(110 + down * RAMP[:, None] + across * RAMP, 0, 255).astype(np.uint8)[..., None]


def codes(rows: int, seed: int) -> dict[str, np.ndarray]:
    return dict(zip(CODES, np.random.default_rng(seed).normal(size=(2, rows)).astype(np.float32)))


def made_pictures() -> dt.Dataset:
    block = dt.DataBlock(
        inputs={name: dt.Number(scaling="none") for name in CODES},
        targets={"picture": dt.Image(size=8, channels=1)},
        split=dt.split.none(),
    )
    return block.from_columns({**codes(512, 1), "picture": list(pictures(512, 0))})


def adversarial(training: Any, nets: Any, batch: Any) -> Iterator[tuple[str, Tensor]]:
    """A generator against a critic (Goodfellow et al. 2014), whose slope at real pictures is kept small (Mescheder,
    Geiger and Nowozin 2018, arXiv:1801.04406)."""
    real = (batch["picture"] / 255).requires_grad_()
    made = nets.network({name: torch.randn_like(batch[name]) for name in CODES})["picture"]
    true, false = nets.critic(real), nets.critic(made.detach())
    (slope,) = torch.autograd.grad(true.sum(), real, create_graph=True)
    penalty = 0.1 * slope.square().flatten(1).sum(1).mean()
    yield "critic", nn.functional.softplus(-true).mean() + nn.functional.softplus(false).mean() + penalty
    yield "network", nn.functional.softplus(-nets.critic(made)).mean()


def networks() -> tuple[nn.Module, Objective]:
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(2, 64), nn.Unflatten(1, (8, 8, 1)))
    critic = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, 32),
        nn.LeakyReLU(0.2),
        nn.Linear(32, 1),
    )
    return generator, Objective(adversarial, networks={"critic": critic}, measured=False)


def generator_of_pictures(out: Path, **options: Any) -> Learner:
    generator, objective = networks()
    options = {"optimizer": "adam", "weight_decay": 0.0, "batch_size": 32, "ema": 0.9, **options}
    return Learner(made_pictures(), generator, objective=objective, out=out, quiet=True, **options)


def far_off(made: Learner) -> tuple[float, float]:
    """How far the mean picture and the deviations of what is made are from those of pictures, in levels of grey."""
    found = made.run_arrays(codes(500, 9))["picture"]
    true = pictures(500, 5).astype(np.float32)
    return float(np.abs(found.mean(0) - true.mean(0)).mean()), float(
        np.abs(found.std(0) - true.std(0)).mean()
    )


@pytest.fixture(scope="module")
def gan(tmp_path_factory: pytest.TempPathFactory) -> Learner:
    made = generator_of_pictures(tmp_path_factory.mktemp("gan") / "run")
    before = far_off(made)
    assert min(before) > 12, "what was not trained makes no such pictures"
    made.fit(60, lr=1e-2)
    return made


@pytest.mark.slow
def test_made_pictures_come_to_be_like_the_true_ones(gan: Learner) -> None:
    mean, deviation = far_off(gan)
    assert mean < 8
    assert deviation < 8


@pytest.mark.slow
def test_what_has_no_target_says_that_nothing_is_measured(gan: Learner) -> None:
    result = gan.result
    assert result is not None
    assert result["metrics"] == result["baselines"] == {}
    told = "nothing is measured: adversarial has no target to hold the answers against"
    assert result["notes"] == [told]
    assert gan.run is not None
    page = (gan.run / "report.html").read_text()
    assert told in page
    assert not (gan.run / "validation").exists()
    for verb in (gan.validate, gan.interpret):
        with pytest.raises(UsageError, match="no target"):
            verb()


@pytest.mark.slow
def test_a_generator_is_exported_and_answers_with_pictures(gan: Learner, tmp_path: Path) -> None:
    path = gan.export(tmp_path / "made.bundle")
    predictor = dt.Predictor(path)
    code = {name: float(values[0]) for name, values in codes(1, 3).items()}
    answer = predictor.predict(code)
    picture = dt.Image(size=8, channels=1).read(base64.b64decode(answer.targets["picture"]["picture"]))
    (made,) = gan.run_arrays(codes(1, 3))["picture"]
    assert picture.shape == (8, 8, 1)
    assert np.abs(picture - made).max() <= 0.51
    card = zipfile.ZipFile(path).read("README.md").decode()
    assert "nothing is measured" in card


@pytest.mark.slow
def test_a_generator_that_was_stopped_in_an_epoch_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    def start(name: str, *hooks: Hook) -> Learner:
        made = generator_of_pictures(tmp_path / name, batch_size=128, hooks=list(hooks))
        made.brief = True
        made.train([Phase(2, 1e-2)])
        return made

    whole = start("whole")
    assert start("stopped", resuming.StopAfter(6)).position.batch == 2
    generator, objective = networks()
    made = Learner.resume(tmp_path / "stopped", made_pictures(), generator, objective=objective, quiet=True)
    made.brief = True
    made.go_on()
    assert same(tensors(made), tensors(whole))
