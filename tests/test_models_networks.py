"""Networks that are not encoders, features and heads alone: places beside features, whole networks, bodies for what is no
picture, somebody's own modules on raw and on several inputs. The kinds are those of an extension (`atelier`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import drivetrain as dt
from drivetrain import extensions
from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Codec, Signature
from drivetrain.codecs.base import from_spec
from drivetrain.codecs.category import Category
from drivetrain.codecs.image import Image
from drivetrain.codecs.number import Number
from drivetrain.codecs.text import Text
from drivetrain.errors import TrainingError, UsageError
from drivetrain.graphs.network import NetworkGraph, NotWritten, write_network
from drivetrain.graphs.torch_export import export_graph
from drivetrain.learn.learner import Learner
from drivetrain.learn.names import default_model, one_model
from drivetrain.models import registry
from drivetrain.models.base import BaseNetwork
from drivetrain.models.build import build_network
from drivetrain.models.network import Network
from drivetrain.models.parts import build_heads
from drivetrain.runtime import OnnxSession, Predictor
from drivetrain.types import Array

SIDE, LENGTH = 8, 4


@pytest.fixture(autouse=True)
def _atelier() -> Iterator[None]:
    extensions.register("atelier")
    yield
    extensions._registered.pop("atelier")
    for cached in (extensions.find, extensions.names):
        cached.cache_clear()


def kind(name: str, **fields: Any) -> Codec:
    return from_spec({"op": f"{name}@1", **fields})


def outline() -> Codec:
    return kind("outline", size=[SIDE, SIDE])


def pictures(count: int) -> dict[str, Array]:
    """Squares in pictures, and where they are."""
    draw = np.random.default_rng(0)
    image = draw.integers(0, 90, (count, SIDE, SIDE, 1)).astype(np.uint8)
    there = np.zeros((count, SIDE, SIDE), np.uint8)
    for row, (top, left) in enumerate(draw.integers(0, SIDE - 3, (count, 2))):
        there[row, top : top + 3, left : left + 3] = 1
    return {"photo": image + there[..., None] * 150, "where": there}


def chants(count: int) -> dict[str, list[str]]:
    draw = np.random.default_rng(0)
    heard = ["".join(draw.choice(list("abcd"), LENGTH)) for _ in range(count)]
    return {"heard": heard, "said": [text[::-1] for text in heard]}


def tensors(rows: Mapping[str, Array]) -> dict[str, Tensor]:
    return {name: torch.as_tensor(array) for name, array in rows.items()}


def same_as_graph(network: BaseNetwork, signature: Signature, rows: dict[str, Array]) -> None:
    inputs = {name: rows[name] for name in signature.inputs}
    network.eval()
    with torch.no_grad():
        wanted = network.finish(network(tensors(inputs)))
    graph = export_graph(network, signature, inputs)
    found = OnnxSession(graph, made_names(signature)).run(inputs)
    for name, output in wanted.items():
        np.testing.assert_allclose(found[name], output.numpy(), atol=1e-5)


# --- places beside the row of features -----------------------------------------------------------------------


WORDS = Text(words=("the", "cat", "sat"), length=6)


def lines() -> tuple[Signature, dict[str, Array]]:
    signature = Signature(
        {"story": WORDS}, {"said": kind("chant", length=LENGTH), "long": Category(("no", "yes"))}
    )
    draw = np.random.default_rng(0)
    story = draw.integers(2, 5, (10, 6)).astype(np.int32)
    story[:, 3:] = 0
    return signature, {
        "story": story,
        "said": draw.integers(0, 4, (10, LENGTH)),
        "long": draw.integers(0, 2, 10),
    }


def test_a_head_that_asks_for_a_sequence_gets_it_with_its_mask_and_others_the_row_as_ever() -> None:
    signature, rows = lines()
    network = build_network(signature, rows, "linear")
    given: dict[str, Any] = {}
    network.heads["said"].register_forward_pre_hook(
        lambda _, args, more: given.update(more), with_kwargs=True
    )
    outputs = network(tensors(rows))
    words, mask = given["places"]["story"]
    assert words.shape == (10, 6, 64)
    assert mask.tolist() == [[True] * 3 + [False] * 3] * 10
    assert (words[:, 3:] == 0).all()
    row = network.features(tensors(rows))
    assert torch.allclose(words.sum(1) / 3, row, atol=1e-6)
    assert torch.equal(outputs["long"], network.heads["long"](network.combiner(row)))
    assert not network.keeps_features


def test_a_head_sees_its_target_where_a_loss_is_computed_and_not_where_it_answers() -> None:
    signature, rows = lines()
    network = build_network(signature, rows, "linear").eval()
    batch = tensors(rows)
    assert network.sees_targets
    answered = network(batch)["said"]
    told = network(batch, {name: batch[name] for name in signature.targets})["said"]
    assert torch.equal(answered[:, 0], told[:, 0])
    assert not torch.equal(answered[:, 1:], told[:, 1:])


def test_a_head_that_asks_for_a_map_gets_that_of_the_body() -> None:
    signature = Signature({"photo": Image(size=SIDE, channels=1)}, {"where": outline()})
    rows = pictures(6)
    for model in ("residual", "cnn"):
        network = build_network(signature, rows, model)
        features, places = network.with_places(tensors(rows))
        assert places["photo"].values.ndim == 4
        assert torch.allclose(features, network.features(tensors(rows)), atol=1e-6)
        assert network(tensors(rows))["where"].shape == (6, SIDE, SIDE)
    with pytest.raises(UsageError, match="told from a map, and no input gives one"):
        build_network(signature, rows, "mlp")


def test_where_several_inputs_give_what_a_head_asks_for_they_are_named() -> None:
    signature, rows = lines()
    both = Signature({"story": WORDS, "title": WORDS}, signature.targets)
    with pytest.raises(UsageError, match="story, title give one each"):
        build_network(both, {**rows, "title": rows["story"]}, "linear")


def test_what_combines_may_ask_for_places_too() -> None:
    class Attention(nn.Module):
        asks_places = True

        def forward(self, features: Tensor, places: Mapping[str, Any]) -> Tensor:
            words, mask = places["story"]
            return (words * mask.unsqueeze(2)).amax(1) + 0 * features

    signature, rows = lines()
    made = build_network(signature, rows, "linear")
    network = Network(dict(made.encoders.items()), Attention(), made.heads)
    assert network(tensors(rows))["long"].shape == (10, 2)


@pytest.mark.slow
def test_what_asks_for_more_than_a_row_is_written_by_torchs_exporter() -> None:
    signature, rows = lines()
    network = build_network(signature, rows, "linear")
    with pytest.raises(NotWritten):
        write_network(network, signature)
    same_as_graph(network, signature, rows)
    plain = Signature(signature.inputs, {"long": signature.targets["long"]})
    assert write_network(build_network(plain, rows, "linear").eval(), plain)


# --- bodies by the form of what they are laid before ---------------------------------------------------------


def signals() -> tuple[Signature, dict[str, Array]]:
    draw = np.random.default_rng(0)
    signature = Signature({"beat": kind("signal", size=[3, 16])}, {"ill": Category(("no", "yes"))})
    return signature, {
        "beat": draw.normal(size=(12, 3, 16)).astype(np.float32),
        "ill": draw.integers(0, 2, 12),
    }


def test_a_model_is_refused_for_inputs_that_it_does_not_fit_and_what_fits_is_named() -> None:
    signature, rows = signals()
    assert registry.fitting(signature) == ("over_time",)
    for name in ("cnn", "resnet18", "mlp", "owner/name", "dot", "small_unet"):
        with pytest.raises(UsageError, match=r"here is beat \(signal\)") as caught:
            build_network(signature, rows, name)
        assert caught.value.fix == "Choose one of over_time."
    words = Signature({"story": WORDS}, signature.targets)
    with pytest.raises(UsageError, match=r"cnn takes pictures; here is story \(text\)"):
        registry.refuse_unfit("cnn", words)
    table = Signature({"a": Number(center=0.0, spread=1.0)}, signature.targets)
    for name in ("over_time", "residual", "small_seq2seq"):
        with pytest.raises(UsageError, match=r"takes .*; here is a \(number\)"):
            registry.refuse_unfit(name, table)


def test_an_extension_brings_bodies_for_its_kind_by_name() -> None:
    signature, rows = signals()
    network = build_network(signature, rows, "over_time")
    assert network(tensors(rows))["ill"].shape == (12, 2)
    assert [type(body).__name__ for body in network.bodies] == ["OverTime"]
    age = Number(center=0.0, spread=1.0)
    both = Signature({**signature.inputs, "age": age}, signature.targets)
    more = {**rows, "age": np.arange(12, dtype=np.float32)}
    assert build_network(both, more, "over_time")(tensors(more))["ill"].shape == (12, 2)


def test_what_is_laid_out_as_a_picture_has_a_body_of_pictures() -> None:
    signature, rows = signals()
    tone = Signature({"beat": kind("tone", size=[3, 16])}, signature.targets)
    assert "residual" in registry.fitting(tone)
    assert "over_time" not in registry.fitting(tone)
    for name in ("residual", "cnn", "mlp"):
        assert build_network(tone, rows, name)(tensors(rows))["ill"].shape == (12, 2)


# --- whole networks ------------------------------------------------------------------------------------------


def test_a_whole_network_is_found_by_its_name_and_checked_against_its_data() -> None:
    signature = Signature({"photo": Image(size=SIDE, channels=1)}, {"where": outline()})
    assert registry.resolve("small_unet").kind == "whole"
    assert "small_unet" in registry.fitting(signature)
    network = build_network(signature, pictures(4), "small_unet")
    assert network(tensors(pictures(4)))["where"].shape == (4, SIDE, SIDE)
    classes = Signature(signature.inputs, {"kind": Category(("a", "b"))})
    assert "small_unet" not in registry.fitting(classes)
    with pytest.raises(UsageError, match=r"small_unet gives an outline in it; here is kind \(category\)"):
        build_network(classes, pictures(4), "small_unet")


@pytest.mark.slow
def test_targets_are_given_for_losses_alone(tmp_path: Path) -> None:
    """In training and for the valid loss the sequence is forced, and not in answers."""
    learner = reading(tmp_path, 40)
    seen: list[tuple[bool, bool]] = []
    learner.network.register_forward_pre_hook(
        lambda module, given: seen.append((module.training, len(given) > 1 and given[1] is not None))
    )
    learner.fit(1)
    assert set(seen) == {(True, True), (False, True), (False, False)}
    seen.clear()
    learner.predict_part("valid")
    assert set(seen) == {(False, False)}


def reading(folder: Path, count: int) -> Learner:
    block = dt.DataBlock(
        inputs={"heard": kind("chant")}, targets={"said": kind("chant")}, split=dt.split.random(0.25, seed=1)
    )
    return Learner(
        block.from_columns(chants(count)), "small_seq2seq", out=folder / "run", batch_size=16, quiet=True
    )


@pytest.mark.slow
def test_a_sequence_to_sequence_learns_to_turn_chants_round_and_goes_into_a_bundle(tmp_path: Path) -> None:
    learner = reading(tmp_path, 400)
    learner.fit(12, lr=0.02)
    assert learner.history[-1]["valid_error"] < 0.1
    bundle = learner.export(tmp_path / "chant.bundle")
    answer = Predictor(bundle).predict({"heard": "abcd"})
    assert answer.targets["said"]["text"] == "dcba"
    again = Learner.resume(learner.run, learner.data)
    assert np.array_equal(again.predict_part("valid")["said"], learner.predict_part("valid")["said"])


@pytest.mark.slow
def test_a_unet_finds_squares_and_goes_into_a_bundle(tmp_path: Path) -> None:
    rows = pictures(120)
    block = dt.DataBlock(
        inputs={"photo": Image(size=SIDE, channels=1)}, targets={"where": kind("outline")},
        split=dt.split.random(0.25, seed=1),
    )  # fmt: skip
    data = block.from_columns({name: list(array) for name, array in rows.items()})
    learner = Learner(data, "small_unet", out=tmp_path / "run", batch_size=16, quiet=True)
    learner.fit(8, lr=0.02)
    assert learner.history[-1]["valid_error"] < 0.02
    bundle = learner.export(tmp_path / "squares.bundle")
    answer = Predictor(bundle).predict({"photo": rows["photo"][0]})
    assert answer.targets["where"]["area"] == pytest.approx(9 / 64, abs=0.05)


# --- somebody's own modules ----------------------------------------------------------------------------------


class Watches(nn.Module):
    """Gives zeros, and remembers what it got."""

    def __init__(self, outputs: int = 2, raw: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs))
        self.takes_raw = raw

    def forward(self, given: Any) -> Tensor:
        self.got = given
        first = given if isinstance(given, Tensor) else next(iter(given.values()))
        return self.weight.expand(len(first), -1)


def test_a_module_gets_the_only_input_as_it_is_prepared_for_a_body_or_raw() -> None:
    signature, rows = signals()
    module = Watches()
    build_network(signature, rows, module)(tensors(rows))
    assert torch.equal(module.got, torch.as_tensor(rows["beat"]) / 10)
    module = Watches(raw=True)
    build_network(signature, rows, module)(tensors(rows))
    assert torch.equal(module.got, torch.as_tensor(rows["beat"]))


def test_a_module_gets_raw_tokens_and_pixels() -> None:
    signature, rows = lines()
    module = Watches(raw=True)
    build_network(Signature(signature.inputs, {"long": signature.targets["long"]}), rows, module)(
        tensors(rows)
    )
    assert module.got.dtype == torch.int32
    assert torch.equal(module.got, torch.as_tensor(rows["story"]))


def mixed() -> tuple[Signature, dict[str, Array]]:
    signature = Signature(
        {"photo": Image(size=SIDE, channels=1), "age": Number(center=3.0, spread=2.0), "town": Category(("Ulm", "Bonn"))},
        {"ill": Category(("no", "yes"))},
    )  # fmt: skip
    draw = np.random.default_rng(0)
    return signature, {
        "photo": pictures(6)["photo"], "age": np.arange(6, dtype=np.float32), "town": draw.integers(0, 2, 6),
        "ill": draw.integers(0, 2, 6),
    }  # fmt: skip


def test_of_several_inputs_with_pictures_a_module_gets_each_by_name() -> None:
    signature, rows = mixed()
    module = Watches()
    network = build_network(signature, rows, module)
    network(tensors(rows))
    assert {name: tuple(array.shape) for name, array in module.got.items()} == {
        "photo": (6, 1, SIDE, SIDE), "age": (6, 1), "town": (6, 2),
    }  # fmt: skip
    assert module.got["age"].reshape(-1).tolist() == pytest.approx([-1.5, -1.0, -0.5, 0.0, 0.5, 1.0])
    module = Watches(raw=True)
    build_network(signature, rows, module)(tensors(rows))
    assert module.got["photo"].dtype == torch.uint8
    assert module.got["age"].tolist() == rows["age"].tolist()


def test_a_misfit_is_told_at_once_with_shapes() -> None:
    signature, rows = mixed()
    with pytest.raises(TrainingError, match="can't take its input") as caught:
        build_network(signature, rows, nn.Linear(3, 2))
    assert (
        "'photo', float32 of shape (batch, 1, 8, 8); 'age', float32 of shape (batch, 1)" in caught.value.fix
    )
    with pytest.raises(
        TrainingError, match=r"gives \(2, 3\) for an input of photo \(2, 1, 8, 8\), age .*needs \(batch, 2\)"
    ):
        build_network(signature, rows, Watches(3))
    unprepared = nn.Linear(3, 2)
    unprepared.takes_raw = True  # type: ignore[assignment]
    with pytest.raises(TrainingError, match="can't take its input") as caught:
        build_network(signature, rows, unprepared)
    assert "'age', float32 of shape (batch);" in caught.value.fix
    raw, more = signals()
    with pytest.raises(TrainingError, match="can't take its input") as caught:
        build_network(raw, more, nn.Linear(3, 2))
    assert caught.value.fix == "It gets float32 of shape (batch, 3, 16)."
    signature, rows = lines()
    with pytest.raises(UsageError, match="of one target"):
        build_network(signature, rows, Watches())


class Both(nn.Module):
    """A picture and a number, to classes."""

    def __init__(self) -> None:
        super().__init__()
        self.picture = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten()
        )
        self.last = nn.Linear(5, 2)

    def forward(self, given: dict[str, Tensor]) -> Tensor:
        return self.last(torch.cat([self.picture(given["photo"]), given["age"]], 1))


@pytest.mark.slow
def test_a_module_of_several_inputs_trains_and_goes_into_a_bundle(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    photos = pictures(40)["photo"]
    ages = draw.normal(3, 2, 40)
    block = dt.DataBlock(
        inputs={"photo": Image(size=SIDE, channels=1), "age": Number()}, targets={"old": Category()},
        split=dt.split.random(0.25, seed=1),
    )  # fmt: skip
    data = block.from_columns({"photo": list(photos), "age": ages, "old": np.where(ages > 3, "yes", "no")})
    torch.manual_seed(0)
    learner = Learner(data, Both(), out=tmp_path / "run", batch_size=8, quiet=True)
    learner.fit(4, lr=0.05)
    assert learner.history[-1]["train_error"] < 0.3
    bundle = learner.export(tmp_path / "both.bundle")
    assert Predictor(bundle).predict({"photo": photos[0], "age": 9.0}).label == "yes"


def test_a_network_of_one_s_own_may_be_a_base_network_with_several_targets() -> None:
    signature, rows = lines()
    inner = build_network(signature, rows, "linear")
    assert build_network(signature, rows, inner) is inner


def test_where_no_model_is_named_it_is_one_that_fits() -> None:
    beats = [row.tolist() for row in signals()[1]["beat"]]
    block = dt.DataBlock(inputs={"beat": kind("signal")}, targets={"ill": Category()})
    data = block.from_columns({"beat": beats, "ill": ["no", "yes"] * 6})
    assert default_model(data) == one_model(data) == "over_time"
    data = dt.DataBlock(inputs={"a": Number()}, targets={"b": Number()}).from_columns(
        {"a": [1, 2, 3], "b": [1, 2, 3]}
    )
    assert default_model(data) == "mlp"


class Slopes(BaseNetwork):
    """A whole network that writes its own graph."""

    def __init__(self, heads: Mapping[str, nn.Module]) -> None:
        super().__init__(heads)
        self.slope = nn.Linear(1, 1)

    def forward(
        self, batch: Mapping[Any, Tensor], targets: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        return {"b": self.heads["b"](self.slope(batch["a"].unsqueeze(1)))}

    def write_graph(self, graph: NetworkGraph) -> None:
        slope = graph.write(self.slope, graph.column(graph.inputs["a"]))
        graph.write(self.heads["b"], slope, graph.outputs["b"])


def test_a_whole_network_may_write_its_own_graph() -> None:
    number = Number(center=1.0, spread=2.0)
    signature = Signature({"a": number}, {"b": number})
    network = Slopes(build_heads(signature.targets, None, {}))
    assert write_network(network, signature)
    same_as_graph(network, signature, {"a": np.arange(5, dtype=np.float32)})
