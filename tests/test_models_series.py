"""Networks on series: windows scaled by themselves, quantiles that never cross, graphs that compute the same, no look ahead."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.series import DECILES, Series
from drivetrain.errors import UsageError
from drivetrain.graphs.network import write_network
from drivetrain.models import recurrent, registry
from drivetrain.models.bodies import tcn
from drivetrain.models.bodies.dlinear import averaging
from drivetrain.models.bodies.nhits import lines_between
from drivetrain.models.build import build_network
from drivetrain.models.encoders import series as encoder
from drivetrain.models.heads import HeadOptions
from drivetrain.models.heads.series import steps_between
from drivetrain.ragged import as_batch

CONTEXT, HORIZON, ROWS = 21, 5, 7
FORECASTERS = (
    "linear", "nlinear", "dlinear", "mlp", "tcn", "tcn:2-layers:8-wide", "rnn:8-wide", "lstm:bidirectional:8-wide",
    "gru:2-layers:8-wide", "nhits", "patch:32-wide", "transformer:1-layers:32-wide", "transformer:causal:1-layers:32-wide",
)  # fmt: skip
READERS = tuple(name for name in FORECASTERS if name not in ("nlinear", "dlinear", "nhits"))


def forecast(
    known: bool = True, items: bool = False, levels: Any = DECILES
) -> tuple[Signature, dict[str, Any]]:
    draw = np.random.default_rng(0)
    names = ("price", "weekday") if known else ()
    past = Series(("units", *names), CONTEXT).fit_moments(draw.normal(5, 2, (99, 1 + len(names))))
    inputs: dict[str, Any] = {"past": past}
    rows: dict[str, Any] = {"past": draw.normal(5, 2, (ROWS, CONTEXT, 1 + len(names))).astype(np.float32)}
    if known:
        inputs["future"] = Series(names, HORIZON).fit_moments(draw.normal(1, 2, (99, 2)))
        rows["future"] = draw.normal(1, 2, (ROWS, HORIZON, 2)).astype(np.float32)
    if items:
        inputs["shop"] = Category(("a", "b", "c"), open=True)
        rows["shop"] = draw.integers(0, 3, ROWS)
    rows["units"] = draw.normal(5, 2, (ROWS, HORIZON, 1)).astype(np.float32)
    return Signature(inputs, {"units": Series(("units",), HORIZON, levels)}), rows


def network_of(model: Any, signature: Signature, rows: dict[str, Any], loss: str = "absolute") -> Any:
    torch.manual_seed(0)
    network: Any = build_network(
        signature, rows, model, dropout=0.1, heads={"units": HeadOptions(0.1, loss=loss)}
    ).eval()
    for weight in network.parameters():  # Those that begin with zeros say nothing of their graph.
        nn.init.normal_(weight, 0, 0.1) if not weight.any() else None
    return network


def answers(network: Any, rows: dict[str, Any], target: str = "units") -> Tensor:
    batch = {name: torch.as_tensor(array) for name, array in as_batch(rows).items()}
    with torch.no_grad():
        return network.finish(network(batch))[target]


def told_by_graph(network: Any, signature: Signature, rows: dict[str, Any]) -> np.ndarray:
    session = onnxruntime.InferenceSession(write_network(network, signature))
    names = made_names(signature).inputs
    batch = as_batch(rows)
    return np.asarray(session.run(None, {tensor: batch[field] for field, tensor in names.items()})[0])


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("model", FORECASTERS)
def test_the_graph_tells_the_same_and_no_quantiles_cross(model: str, known: bool) -> None:
    signature, rows = forecast(known)
    network = network_of(model, signature, rows)
    own = answers(network, rows).numpy()
    assert own.shape == (ROWS, HORIZON, 1 + len(DECILES))
    learned = {id(parameter) for group in network.blocks() for parameter in group}
    assert learned == {id(parameter) for parameter in network.parameters()}
    assert (np.diff(own[:, :, 1:]) >= 0).all()
    assert own[:, :, 5] == pytest.approx(own[:, :, 0], abs=1e-5)  # The median is the point.
    assert told_by_graph(network, signature, rows) == pytest.approx(own, rel=1e-4, abs=1e-4)
    one = {name: array[2:3] for name, array in rows.items()}
    assert told_by_graph(network, signature, one)[0] == pytest.approx(own[2], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("model", ["nlinear", "mlp", "gru:8-wide"])
def test_a_window_that_is_higher_and_wider_is_continued_higher_and_wider(model: str) -> None:
    signature, rows = forecast(known=False)
    network = network_of(model, signature, rows)
    high, higher = ({"past": rows["past"] * times + more} for times, more in ((1, 100), (10, 500)))
    wanted = (answers(network, high).numpy() - 100) * 10 + 500
    assert answers(network, higher).numpy() == pytest.approx(wanted, rel=1e-3)


def test_what_is_known_ahead_counts_at_its_own_moment() -> None:
    signature, rows = forecast()
    for model in ("nlinear", "mlp"):
        network = network_of(model, signature, rows)
        other = {**rows, "future": rows["future"].copy()}
        other["future"][:, 3] += 1
        apart = (answers(network, other) - answers(network, rows)).abs().amax((0, 2)) > 1e-6
        assert apart.tolist() == [False, False, False, True, False], model


def test_items_and_a_level_without_a_median_have_their_say() -> None:
    signature, rows = forecast(items=True, levels=(0.1, 0.9))
    for model in ("nlinear", "tcn"):
        network = network_of(model, signature, rows, loss="squared")
        own = answers(network, rows)
        assert own.shape == (ROWS, HORIZON, 3)
        low_point_high = own[:, :, [1, 0, 2]]
        assert bool((low_point_high.diff(dim=2) > 0).all())
        other = {**rows, "shop": (rows["shop"] + 1) % 3}
        assert not torch.allclose(answers(network, other), own)
        assert told_by_graph(network, signature, rows) == pytest.approx(own.numpy(), rel=1e-4, abs=1e-4)


def test_the_median_may_lie_beside_a_mean() -> None:
    signature, rows = forecast(known=False)
    network = network_of("mlp", signature, rows, loss="squared")
    own = answers(network, rows).numpy()
    assert np.abs(own[:, :, 5] - own[:, :, 0]).max() > 1e-3
    assert told_by_graph(network, signature, rows) == pytest.approx(own, rel=1e-4, abs=1e-4)


def test_nothing_is_learned_of_what_was_not_measured() -> None:
    signature, rows = forecast()
    network = network_of("mlp", signature, rows)
    batch = {name: torch.as_tensor(array) for name, array in rows.items()}
    holes = batch["units"].clone()
    holes[:, 2:] = torch.nan
    head = network.heads["units"]
    head.loss(network(batch)["units"], holes).backward()
    assert all(
        bool(weight.grad.isfinite().all()) for weight in network.parameters() if weight.grad is not None
    )
    assert float(head.point.bias.grad[2:].abs().sum()) == 0 < float(head.point.bias.grad[:2].abs().sum())
    with torch.no_grad():
        outputs = network(batch)["units"]
        wanted = (head.finish(outputs)[:, :2, 0] - batch["units"][:, :2, 0]).abs().mean(1).sum()
        assert float(head.error(outputs, holes)) == pytest.approx(float(wanted))


def test_the_loss_is_that_of_the_words() -> None:
    signature, rows = forecast(known=False, levels=(0.1, 0.5, 0.9))
    network = network_of("nlinear", signature, rows)
    batch = {name: torch.as_tensor(array) for name, array in rows.items()}
    found = network(batch)["units"].detach()
    loss = network.heads["units"].losses(found, batch["units"])
    for row in range(ROWS):
        level, spread = found[row, 0, -2:]
        total = 0.0
        for moment in range(HORIZON):
            true = float((batch["units"][row, moment, 0] - level) / spread)
            told = found[row, moment, :-2].tolist()
            pinball = [max(q * (true - t), (q - 1) * (true - t)) for q, t in zip((0.1, 0.5, 0.9), told[1:])]
            total += abs(true - told[0]) + 2 * sum(pinball) / 3
        assert float(loss[row]) == pytest.approx(total / HORIZON, rel=1e-4)


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("model", READERS)
def test_series_are_told_apart_by_the_same_bodies(model: str, fixed: bool) -> None:
    draw = np.random.default_rng(0)
    lengths = (9, 9, 9, 9) if fixed else (9, 1, 4, 17)
    values = [draw.normal(3, 2, (length, 4)).astype(np.float32) for length in lengths]
    codec = Series(tuple("abcd"), 9 if fixed else None).fit_moments(np.concatenate(values))
    rows: dict[str, Any] = {"signal": np.stack(values) if fixed else codec.together(values)}
    signature = Signature({"signal": codec}, {"label": Category(("walks", "sits"))})
    assert model.partition(":")[0] in registry.fitting(signature)
    torch.manual_seed(0)
    network: Any = build_network(signature, rows, model).eval()
    own = answers(network, rows, "label")
    assert told_by_graph(network, signature, rows) == pytest.approx(own.numpy(), abs=2e-5)
    if not fixed:
        alone = {"signal": codec.together(values[1:2])}
        assert answers(network, alone, "label")[0].numpy() == pytest.approx(own[1].numpy(), abs=1e-5)
        assert told_by_graph(network, signature, alone)[0] == pytest.approx(own[1].numpy(), abs=2e-5)
        names = network.with_places({k: torch.as_tensor(v) for k, v in as_batch(rows).items()})[1]
        if not model.startswith("patch"):
            assert names["signal"].mask.sum(1).tolist() == list(lengths)


@pytest.mark.parametrize("model", ["mlp", "nhits", "patch:32-wide", "gru:8-wide", "nlinear"])
def test_of_a_very_long_window_only_a_sum_has_all(model: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(encoder, "LONGEST", 13)
    signature, rows = forecast()
    network = network_of(model, signature, rows)
    told = answers(network, rows).numpy()
    assert told_by_graph(network, signature, rows) == pytest.approx(told, rel=1e-4, abs=1e-4)
    earlier = {**rows, "past": rows["past"].copy()}
    earlier["past"][:, 1], earlier["past"][:, 2] = rows["past"][:, 2], rows["past"][:, 1]
    same = np.allclose(answers(network, earlier).numpy(), told, atol=1e-4)
    assert same is (model != "nlinear")


@pytest.mark.parametrize("model", ["gru:8-wide", "tcn:2-layers"])
def test_of_a_long_window_the_newest_are_read_and_all_of_it_is_summed(model: str, monkeypatch: Any) -> None:
    signature, rows = forecast()
    for module in (recurrent.Recurrent, tcn.TCN):
        monkeypatch.setattr(module, "newest", 9)
    network = network_of(model, signature, rows)
    batch = {name: torch.as_tensor(array) for name, array in rows.items()}
    assert network.with_places(batch)[1]["past"].values.shape[1] == 9
    assert told_by_graph(network, signature, rows) == pytest.approx(
        answers(network, rows).numpy(), rel=1e-4, abs=1e-4
    )


def test_causal_bodies_see_nothing_that_comes_later() -> None:
    torch.manual_seed(0)
    for model in ("tcn", "rnn", "gru", "transformer:causal"):
        body: Any = registry.build_body(model, (CONTEXT, 3), "series").eval()
        values, lengths = torch.randn(2, CONTEXT, 3), torch.full((2,), CONTEXT)
        later = values.clone()
        later[:, 11:] += 1
        with torch.no_grad():
            first, second = body.maps(values, lengths), body.maps(later, lengths)
        assert torch.allclose(first[:, :11], second[:, :11], atol=1e-6), model
        assert not torch.allclose(first[:, 11:], second[:, 11:], atol=1e-6), model


def test_names_say_what_they_take() -> None:
    signature, rows = forecast()
    offered = registry.fitting(signature)
    assert {"linear", "mlp", "nlinear", "dlinear", "tcn", "rnn", "lstm", "gru", "nhits", "patch"} <= {
        *offered
    }
    assert "cnn" not in offered
    label = Signature(signature.inputs, {"label": Category(("a", "b"))})
    assert not {"nlinear", "dlinear", "nhits"} & {*registry.fitting(label)}
    for model, says in (
        ("nlinear", "a series; here is label"), ("tcn:bidirectional", "no model is called|can't be"),
        ("patch:30-wide", "a multiple of 32"), ("cnn", "takes pictures"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=says):
            build_network(label, {**rows, "label": np.zeros(ROWS, np.int64)}, model)
    twice = Signature({**signature.inputs, "more": signature.inputs["past"]}, signature.targets)
    with pytest.raises(UsageError, match="from one series of a fixed length"):
        build_network(twice, {**rows, "more": rows["past"]}, "mlp")


def test_somebodys_own_module_continues_a_series() -> None:
    class Last(nn.Module):
        takes_raw = True

        def __init__(self) -> None:
            super().__init__()
            self.apart = nn.Parameter(torch.tensor([0.0, 2.0, 0.0, -1.0]))

        def forward(self, given: Any) -> Tensor:
            return given["past"][:, -1:, :1] + self.apart.expand(HORIZON, -1)

    signature, rows = forecast(levels=(0.1, 0.5, 0.9))
    told = answers(build_network(signature, rows, Last()), rows)
    assert bool((told[:, :, 1:].diff(dim=2) >= 0).all())


def test_quantiles_are_put_where_those_of_what_came_are() -> None:
    signature, rows = forecast(known=False)
    draw = np.random.default_rng(1)
    rows["past"] = draw.normal(5, 2, (400, CONTEXT, 1)).astype(np.float32)
    for loss in ("absolute", "squared"):
        network = network_of("gru:8-wide", signature, rows, loss)
        head, before = network.heads["units"], answers(network, rows).numpy()
        wide = before[:, :, -1:] - before[:, :, 1:2]
        truths = before[:, :, :1] + wide * draw.normal(
            0.1, [[[3.0]], [[0.1]]][loss == "squared"], (400, HORIZON, 1)
        )
        truths = truths.astype(np.float32)
        truths[3] = np.nan
        head.calibrate(before, truths)
        after = answers(network, rows).numpy()
        assert after[:, :, 0] == pytest.approx(before[:, :, 0])
        assert (np.diff(after[:, :, 1:]) >= 0).all()
        known = ~np.isnan(truths)
        for place, level in enumerate(DECILES):
            assert np.mean((truths <= after[:, :, 1 + place, None])[known]) == pytest.approx(level, abs=0.01)
        assert told_by_graph(network, signature, rows) == pytest.approx(after, rel=1e-3, abs=1e-3)
        held = head.by_halves(after, truths)
        inside = (held[:, :, 1:2] <= truths) & (truths <= held[:, :, -1:])
        assert inside[known].mean() == pytest.approx(0.8, abs=0.05)
        assert not np.array_equal(held, after)
        head.uncalibrate()
        assert answers(network, rows).numpy() == pytest.approx(before)


def test_small_parts() -> None:
    assert averaging(50).sum(0).numpy() == pytest.approx(1)
    line = torch.arange(50.0)
    assert (line @ averaging(50))[12:-12].numpy() == pytest.approx(line[12:-12].numpy(), abs=1e-4)
    assert (torch.tensor([0.0, 8.0]) @ lines_between(2, 5)).tolist() == [0, 2, 4, 6, 8]
    steps = torch.tensor([1.0, 10.0, 100.0, 1000.0])
    assert (steps @ steps_between((0.1, 0.3, 0.6, 0.9))).tolist() == [-11, -10, 100, 1100]
    assert (steps[:3] @ steps_between((0.1, 0.5, 0.9))).tolist() == [-1, 0, 100]
