"""Transfer learning: heads on features that are computed once, then everything, early stages slowest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import resuming
import torch
from torch import Tensor, nn

import drivetrain as dt
from drivetrain.data.augment.pictures import Augment
from drivetrain.learn.learner import Learner
from drivetrain.learn.settings import Phase
from drivetrain.learn.training import parameter_groups
from drivetrain.models.body import Body

pytestmark = pytest.mark.slow


class Small(Body):
    """A body that says it was trained before, and counts how often it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.features = 8
        self.normalization = ((0.5,), (0.25,))
        self.pretrained = "made for the test"
        self.frozen_norm = True
        self.early = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU())
        self.late = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU())
        self.rows = 0

    def forward(self, images: Tensor) -> Tensor:
        self.rows += len(images)
        return self.late(self.early(images))

    def blocks(self) -> list[nn.Module]:
        return [self.early, self.late]


@pytest.fixture
def learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Learner:
    monkeypatch.setattr("drivetrain.models.registry.build_body", lambda *_, **__: Small())
    return Learner(
        resuming.dataset(), "cnn", augment="digits", batch_size=24, out=tmp_path / "run", quiet=True
    )


def body(learner: Learner) -> Small:
    return learner.network.bodies[0]  # type: ignore[return-value]


def test_in_the_frozen_stage_features_are_computed_once_for_each_view(learner: Learner) -> None:
    body(learner).rows = 0
    learner.train([Phase(6, 1e-2, frozen=True, views=2)])
    valid, train, measured_again = 24, 96, 24
    assert body(learner).rows == valid + 2 * train + measured_again


def test_the_frozen_stage_trains_the_heads_alone(learner: Learner) -> None:
    before = {key: value.clone() for key, value in learner.network.state_dict().items()}
    learner.train([Phase(2, 1e-2, frozen=True)])
    changed = {
        key for key, value in learner.network.state_dict().items() if not torch.equal(value, before[key])
    }
    assert changed
    assert all(key.startswith("head_modules.") for key in changed)


def test_frozen_norms_stay_as_they_were_while_all_weights_train(learner: Learner) -> None:
    norm = body(learner).early[1]
    mean = norm.running_mean.clone()
    weight = norm.weight.clone()
    learner.train([Phase(1, 1e-2)])
    assert torch.equal(norm.running_mean, mean)
    assert not torch.equal(norm.weight, weight)


def test_early_stages_learn_slowest(learner: Learner) -> None:
    groups = parameter_groups(learner.network, Phase(1, 1.0, spread=0.01), weight_decay=0.01)
    share = {id(parameter): group["share"] for group in groups for parameter in group["params"]}
    head = learner.network.heads["label"].layers.weight
    assert share[id(body(learner).early[0].weight)] == pytest.approx(0.01)
    assert share[id(body(learner).late[1].weight)] == pytest.approx(0.1)
    assert share[id(head)] == pytest.approx(1.0)
    assert len(share) == len(list(learner.network.parameters()))


def test_fine_tune_is_both_stages_and_from_scratch_it_is_fit(learner: Learner, tmp_path: Path) -> None:
    learner.fine_tune(2, frozen_epochs=3)
    assert [phase.frozen for phase in learner.plan] == [True, False]
    assert [row["phase"] for row in learner.history] == [1, 1, 1, 2, 2]
    scratch = Learner(
        resuming.dataset(), resuming.module(), augment=None, out=tmp_path / "scratch", quiet=True
    )
    scratch.fine_tune(2)
    assert [phase.frozen for phase in scratch.plan] == [False]


def test_a_frozen_stage_resumes_bit_identically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.models.registry.build_body", lambda *_, **__: Small())

    def make(name: str, hooks: list[dt.Hook]) -> Learner:
        return Learner(
            resuming.dataset(),
            "cnn",
            augment="digits",
            batch_size=24,
            hooks=hooks,
            out=tmp_path / name,
            quiet=True,
        )

    plan = [Phase(3, 1e-2, frozen=True, views=2), Phase(1, 1e-3, spread=0.1)]
    whole = make("whole", [])
    whole.train(plan)
    for stop in (1, 6, 13):
        make(str(stop), [resuming.StopAfter(stop)]).train(plan)
        resumed = Learner.resume(tmp_path / str(stop), resuming.dataset(), quiet=True)
        resumed.go_on()
        assert resuming.state_hash(resumed) == resuming.state_hash(whole)


def test_mixup_clipping_and_smoothing_train(tmp_path: Path) -> None:
    trained = Learner(
        resuming.dataset(), resuming.module(), augment=Augment(mixup=0.4, flip=0.0), clip=0.5, label_smoothing=0.1,
        weight_decay=0.1, out=tmp_path / "run", quiet=True,
    )  # fmt: skip
    trained.fit(25, lr=5e-3)
    assert trained.history[-1]["train_loss"] < trained.history[0]["train_loss"]
    assert trained.result is not None
    assert trained.result["metrics"]["valid"]["accuracy"]["value"] > 0.6


def test_two_pictures_of_a_row_are_mixed_with_those_of_one_other_row(tmp_path: Path) -> None:
    level = np.arange(0, 240, 10, dtype=np.uint8)
    flat = list(np.broadcast_to(level[:, None, None, None], (24, 8, 8, 1)))
    block = dt.DataBlock(
        inputs={name: dt.Image(size=8, channels=1) for name in ("left", "right")}, targets={"y": dt.Number()},
        split=dt.split.none(),
    )  # fmt: skip
    data = block.from_columns({"left": flat, "right": flat, "y": level.astype(float)})
    trained = Learner(data, "cnn", augment=Augment(mixup=0.4, flip=0.0), out=tmp_path / "run", quiet=True)
    mixed = trained.augmentation.mix(
        trained.tensors("train").gather(torch.arange(24)),
        trained.network.heads,
        trained.generators.augment,
        None,
    )
    assert torch.equal(mixed.batch["left"], mixed.batch["right"])
    assert not torch.equal(mixed.batch["left"], torch.as_tensor(np.stack(flat)))
    trained.fit(1)


def test_an_empty_part_has_outputs_of_the_right_shape(tmp_path: Path) -> None:
    trained = Learner(resuming.dataset(), resuming.module(), out=tmp_path / "run", quiet=True)
    assert trained.predict_part("test")["label"].shape == (0, 3)


def test_clipping_bounds_the_step(tmp_path: Path) -> None:
    norms: list[float] = []

    class Measure(dt.Hook):
        def on_batch_end(self, learner: Learner, step: int, loss: float) -> None:
            norms.append(float(np.sqrt(sum(g.square().sum().item() for g in seen))))

    seen: list[Tensor] = []
    trained = Learner(
        resuming.dataset(),
        resuming.module(),
        augment=None,
        clip=0.01,
        hooks=[Measure()],
        out=tmp_path / "r",
        quiet=True,
    )
    for parameter in trained.network.parameters():
        parameter.register_post_accumulate_grad_hook(lambda p: None)
    original = torch.optim.AdamW.step

    def watch(self: torch.optim.Optimizer, *arguments: object) -> object:
        seen[:] = [
            p.grad.clone() for group in self.param_groups for p in group["params"] if p.grad is not None
        ]
        return original(self, *arguments)  # type: ignore[arg-type]

    torch.optim.AdamW.step = watch  # type: ignore[method-assign,assignment]
    try:
        trained.fit(1)
    finally:
        torch.optim.AdamW.step = original  # type: ignore[method-assign]
    assert norms
    assert max(norms) <= 0.01 * 1.001


def test_two_inputs_and_two_targets_need_nothing_new(tmp_path: Path) -> None:
    source = resuming.dataset()
    rows = len(source.table)
    weight = np.arange(rows, dtype=float) % 7
    block = dt.DataBlock(
        inputs={"image": dt.Image(size=8, channels=1), "weight": dt.Number(), "colour": dt.Category()},
        targets={"label": dt.Category(), "price": dt.Number()},
        split=dt.split.by_column("split"),
    )
    data = block.from_columns({
        **source.table.columns, "weight": weight, "colour": ["red", "blue"] * (rows // 2), "price": weight * 3 + 1,
    })  # fmt: skip
    trained = data.learner("mlp", out=tmp_path / "run", quiet=True)
    trained.fit(30, lr=1e-2)
    assert trained.result is not None
    assert trained.result["metrics"]["valid"]["price.r2"]["value"] > 0.5
    bundle = trained.export(tmp_path / "both.bundle")
    sample = {"image": source.table["image"][0], "weight": 3, "colour": "red"}
    answer = dt.Predictor(bundle).predict(sample)
    assert answer.targets["label"]["label"] in ("0", "1", "2")
    assert answer.targets["price"]["value"] == pytest.approx(
        trained.predict(sample).targets["price"]["value"], rel=1e-4
    )


@pytest.mark.parametrize("model", ["linear", "mlp", "cnn"])
def test_photographs_that_are_kept_larger_for_crops_fit_models_with_dense_layers(
    tmp_path: Path, model: str
) -> None:
    images = np.random.default_rng(0).integers(0, 255, (24, 64, 64, 3), dtype=np.uint8)
    data = dt.image_classification.from_arrays(images, np.arange(24) % 2)
    trained = data.learner(model, out=tmp_path / "run", quiet=True)
    assert trained.enlarge > 1
    trained.fit(1)
    assert trained.result is not None
