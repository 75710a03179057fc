"""Networks that read tokens: no padding is looked at, graphs compute the same, and each trains, exports and answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import drivetrain as dt
from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.codecs.text import Text
from drivetrain.codecs.tokens import Tokens
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.graphs.network import write_network
from drivetrain.learn.learner import Learner
from drivetrain.models import registry
from drivetrain.models.build import build_network
from drivetrain.ragged import as_batch, lengths_of
from drivetrain.testing.bundles import check_bundle

LENGTHS = (5, 1, 0, 9, 17, 3, 2, 30)
MODELS = (
    "linear", "mlp", "rnn:16-wide", "tcn:16-wide", "lstm", "lstm:bidirectional", "gru:32-wide",
    "gru:bidirectional:2-layers:16-wide", "transformer:1-layers", "transformer:causal:64-wide",
)  # fmt: skip


def columns(beside: bool) -> tuple[Signature, dict[str, Any]]:
    draw = np.random.default_rng(0)
    codec = Tokens(50)
    inputs: dict[str, Any] = {"text": codec}
    rows: dict[str, Any] = {"text": codec.together([draw.integers(0, 50, n) for n in LENGTHS])}
    if beside:
        inputs["age"] = Number(center=0.0, spread=1.0)
        rows["age"] = draw.normal(size=len(LENGTHS)).astype(np.float32)
    return Signature(inputs, {"kind": Category(("a", "b", "c"))}), rows


def network_of(model: str, beside: bool = False) -> Any:
    signature, rows = columns(beside)
    torch.manual_seed(0)
    return build_network(signature, rows, model, dropout=0.1).eval()


def answers(network: Any, rows: dict[str, Any], padding: int = 0) -> Tensor:
    batch = {name: torch.as_tensor(array) for name, array in as_batch(rows).items()}
    more = torch.randint(0, 50, (len(batch["text"]), padding))
    batch["text"] = torch.cat([batch["text"], more], 1)
    with torch.no_grad():
        return network.finish(network(batch))["kind"]


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_the_graph_computes_the_same_and_no_padding_matters(model: str, beside: bool) -> None:
    signature, rows = columns(beside)
    network = network_of(model, beside)
    own = answers(network, rows)
    assert torch.allclose(answers(network, rows, padding=11), own, atol=1e-6)
    session = onnxruntime.InferenceSession(write_network(network, signature))
    names = made_names(signature).inputs

    def told(some: np.ndarray) -> np.ndarray:
        batch = as_batch({name: column[some] for name, column in rows.items()})
        return np.asarray(session.run(None, {names[name]: array for name, array in batch.items()})[0])

    assert told(np.arange(len(LENGTHS))) == pytest.approx(own.numpy(), abs=2e-6)
    for row in range(len(LENGTHS)):
        assert told(np.array([row]))[0] == pytest.approx(own[row].numpy(), abs=2e-6)


@pytest.mark.parametrize("model", MODELS)
def test_places_are_those_that_are_there(model: str) -> None:
    _, rows = columns(beside=False)
    network = network_of(model)
    batch = {name: torch.as_tensor(array) for name, array in as_batch(rows).items()}
    places = network.with_places(batch)[1]["text"]
    assert places.values.shape[:2] == (len(LENGTHS), max(LENGTHS))
    assert places.mask is not None
    assert places.mask.sum(1).tolist() == list(LENGTHS)


def test_what_comes_later_is_seen_by_who_looks_back() -> None:
    _, rows = columns(beside=False)
    batch = {name: torch.as_tensor(array) for name, array in as_batch(rows).items()}
    other = {**batch, "text": batch["text"].clone()}
    other["text"][0, 4] = (other["text"][0, 4] + 1) % 50
    for model, sees in (
        ("lstm", False), ("lstm:bidirectional", True), ("transformer:causal", False), ("transformer", True),
    ):  # fmt: skip
        network = network_of(model)
        first, second = (network.with_places(each)[1]["text"].values[0, 0] for each in (batch, other))
        assert bool((first - second).abs().max() > 1e-7) is sees, model


def test_torchs_own_packed_sequences_say_the_same() -> None:
    """Both directions, two layers: against torch's bidirectional LSTM with packed rows."""
    network = network_of("lstm:bidirectional:2-layers:16-wide")
    body = network.bodies[0]
    oracle = nn.LSTM(8, 16, num_layers=2, batch_first=True, bidirectional=True)
    state = {}
    for layer, directions in enumerate(body.layers):
        for direction in directions:
            for name, weight in direction.cell.named_parameters():
                state[name.replace("l0", f"l{layer}") + ("_reverse" if direction.back else "")] = weight
    oracle.load_state_dict(state)
    values = torch.randn(4, 7, 8)
    lengths = torch.tensor([7, 1, 4, 3])
    packed = nn.utils.rnn.pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
    wanted, _ = nn.utils.rnn.pad_packed_sequence(oracle(packed)[0], batch_first=True)
    found = body.maps(values, lengths)
    for row, length in enumerate(lengths):
        assert torch.allclose(found[row, :length], wanted[row, :length], atol=1e-6)


def test_names_are_offered_and_their_words_checked() -> None:
    signature, _ = columns(beside=True)
    assert {"linear", "mlp", "lstm", "gru", "transformer"} <= {*registry.fitting(signature)}
    assert "cnn" not in registry.fitting(signature)
    assert registry.resolve("lstm:bidirectional:2-layers").words == ("bidirectional", "2-layers")
    for name, says in (
        ("lstm:both", "can't be 'both'"), ("gru:0-layers", "0-layers"),
        ("gru:0-embedded", "can't be '0-embedded'"), ("lstm:²-embedded", "²-embedded"),
        ("lstm:9999-embedded", "9999-embedded"), ("gru:9999-wide", "9999-wide"), ("lstm:", "can't be ''"),
        ("transformer:100-wide", "multiple of 32"), ("mlp:2-layers", "no model is called"),
        ("lstm:²-layers", "layers"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=says):
            network_of(name)
    reader: Any = network_of("gru:8-wide:5-embedded")
    assert reader.encoders["tokens"].readers[0].table.embedding_dim == 5
    table = Signature({"age": Number(center=0.0, spread=1.0)}, signature.targets)
    with pytest.raises(UsageError, match=r"lstm:bidirectional takes tokens or series; here is age"):
        registry.refuse_unfit("lstm:bidirectional", table)
    texts = Signature({"review": Text()}, signature.targets)
    with pytest.raises(UsageError, match=r'columns={"review": "tokens"}. Or, as it is: best, linear, mlp'):
        registry.refuse_unfit("lstm:bidirectional", texts)


def test_somebodys_own_module_gets_vectors_and_lengths() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 3)

        def forward(self, vectors: Tensor, lengths: Tensor) -> Tensor:
            return self.layer(vectors.sum(1) / lengths[:, None])

    signature, rows = columns(beside=False)
    assert answers(build_network(signature, rows, Own()), rows).shape == (8, 3)
    both, more = columns(beside=True)
    with pytest.raises(UsageError, match="takes it raw"):
        build_network(both, more, Own())


# --- from a table to answers ----------------------------------------------------------------------------------


def reviews(rows: int = 160) -> dict[str, list[Any]]:
    draw = np.random.default_rng(0)
    tells = (["awful", "poor", "bad"], ["lovely", "great", "fine"])
    other = ["the", "a", "film", "story", "was", "it", "and", "in", "of", "room", "plot", "scene"]
    said, liked = [], []
    for row in range(rows):
        words = [*draw.choice(other, draw.integers(0, 20)), *draw.choice(tells[row % 2], 3)]
        said.append(" ".join(draw.permutation(words)).capitalize() + ".")
        liked.append(("no", "yes")[row % 2])
    said[4] = ""
    return {"review": said, "age": draw.integers(1, 80, rows).tolist(), "liked": liked}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("told", "model"),
    [
        ("tokens", "mlp"),
        ("tokens:bpe:no-html", "gru:bidirectional:16-wide"),
        ("tokens:unigram:cased", "transformer:1-layers:32-wide"),
    ],
)
def test_it_trains_exports_and_answers(told: str, model: str, tmp_path: Path) -> None:
    data = dt.tabular.from_frame(reviews(), "liked", columns={"review": told})
    assert "review" in " ".join(data.notes)
    learner = Learner(data, model, out=tmp_path / "run", batch_size=16, seed=1, quiet=True)
    learner.fit(4, lr=0.01)
    assert learner.validate()["accuracy"].value > 0.8
    bundle = learner.export(tmp_path / "m.bundle")
    check_bundle(bundle, flips=2)
    predictor = dt.Predictor(bundle)
    texts = ["A lovely great film", "", None, "\ud800\0", "awful " * 20_000, "שלום \U0001f44d", "x" * 10**6]
    items = [{"review": text, "age": 30} for text in texts]
    for item, answer in zip(items, predictor.predict_many(items)):
        assert predictor.predict(item).probabilities == pytest.approx(answer.probabilities, abs=1e-5)
        assert learner.predict(item).probabilities == pytest.approx(answer.probabilities, abs=1e-5)


def test_a_column_is_said_to_be_tokens() -> None:
    frame = reviews()
    data = dt.tabular.from_frame(
        frame, "liked", columns={"review": "tokens:wordpiece:no-stop-words:12-long:900-most:keep-end"}
    )
    codec = data.signature.inputs["review"]
    assert isinstance(codec, Tokens)
    assert (codec.tokenizer, codec.lower, codec.length, codec.most, codec.keep) == (
        "wordpiece",
        True,
        12,
        900,
        "end",
    )
    assert "the" in codec.stop_words
    assert data.default_model == "best"
    train = [frame["review"][row] for row in data.rows("train")]
    assert codec == codec.with_fields(size=None, tokenizer_json=None, whole=None).fit(train)
    assert dt.tabular.from_frame(frame, "liked").kinds["review"].kind == "text"
    with pytest.raises(DrivetrainError, match="holds no text"):
        dt.tabular.from_frame(frame, "liked", columns={"age": "tokens"})
    with pytest.raises(UsageError, match="Did you mean bpe"):
        dt.tabular.from_frame(frame, "liked", columns={"review": "tokens:bpa"})
    assert lengths_of("review") in as_batch({"review": data.part("train").column("review")})
