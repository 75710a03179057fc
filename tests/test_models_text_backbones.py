"""Pretrained models of texts: tokens and states are those of transformers, no padding is looked at, and each trains, is written
as a graph and answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pretrained
import pytest
import torch
from texts import made_texts

import drivetrain as dt
from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.graphs.torch_export import export_graph
from drivetrain.learn.learner import Learner
from drivetrain.learn.settings import Phase
from drivetrain.models import hub, text_backbones
from drivetrain.models.build import build_network
from drivetrain.models.pretrained_texts import NASTY, codecs_for, tokenizer_of
from drivetrain.ragged import as_batch
from drivetrain.testing.bundles import check_bundle

pytestmark = pytest.mark.slow  # transformers alone takes seconds to import

TEXTS = [*NASTY, *(text for text, _ in made_texts(4)), "film " * 200]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: pretrained.backbone(tmp_path_factory.mktemp(kind), kind) for kind in pretrained.KINDS}


@pytest.fixture
def bert(folders: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(folders["bert"], tmp_path / "model")


def table(rows: int = 48, seed: int = 0) -> dict[str, Any]:
    texts, labels = zip(*made_texts(rows, seed))
    return {"age": [row % 7 for row in range(rows)], "review": list(texts), "positive": list(labels)}


def problem(rows: int = 48, **options: Any) -> Any:
    return dt.tabular.from_frame(table(rows), "positive", columns={"review": "text"}, **options)


@pytest.mark.parametrize("kind", pretrained.KINDS)
def test_tokens_are_those_of_transformers(folders: dict[str, Path], kind: str) -> None:
    import transformers

    theirs = transformers.AutoTokenizer.from_pretrained(folders[kind])
    codec = tokenizer_of(folders[kind])
    for length, side in ((codec.most, "right"), (7, "right"), (7, "left")):
        theirs.truncation_side = side
        ours = codec.with_fields(length=length, keep="end" if side == "left" else "beginning")
        for text in TEXTS:
            wanted = theirs(text, truncation=True, max_length=length)["input_ids"]
            assert ours.encode_raw(text).tolist() == wanted, text


@pytest.mark.parametrize("kind", pretrained.KINDS)
def test_features_are_the_mean_of_the_states_that_transformers_gives(
    folders: dict[str, Path], kind: str
) -> None:
    """Of each text alone, without padding; ours are of all in one batch, padded with a token that means something."""
    import transformers

    name = "T5EncoderModel" if kind == "t5" else "AutoModel"
    model = getattr(transformers, name).from_pretrained(folders[kind]).eval()
    codec = tokenizer_of(folders[kind]).with_fields(length=20)
    rows = [codec.encode_raw(text) for text in TEXTS]
    batch = as_batch({"text": codec.together(rows)})
    body = text_backbones.load(folders[kind]).eval()
    with torch.no_grad():
        found = body(*map(torch.as_tensor, batch.values()))
        for row, ours in zip(rows, found):
            states = model(input_ids=torch.as_tensor(row)[None]).last_hidden_state[0]
            wanted = torch.nn.functional.layer_norm(states.mean(0), states.shape[1:])
            torch.testing.assert_close(ours, wanted, rtol=1e-3, atol=1e-4)
    assert found.shape == (len(TEXTS), body.features)


@pytest.mark.parametrize("kind", pretrained.KINDS)
def test_the_graph_agrees_for_any_number_of_rows_and_any_length(folders: dict[str, Path], kind: str) -> None:
    codec = tokenizer_of(folders[kind])
    length = codec.most if kind in ("bert", "roberta") else 20  # As many as the model has places for, too.
    codec = codec.with_fields(length=length, whole=1.0)
    signature = Signature(
        {"text": codec, "age": Number(center=0.0, spread=1.0)}, {"positive": Category(("a", "b", "c"))}
    )
    rows: dict[str, Any] = {
        "text": codec.together([codec.encode_raw(text) for text in TEXTS]),
        "age": np.linspace(-1, 1, len(TEXTS), dtype=np.float32),
    }
    network = build_network(signature, rows, str(folders[kind])).eval()
    two = np.array([len(TEXTS) - 1, 0])  # One that is cut, and one of none.
    graph = export_graph(network, signature, as_batch({name: array[two] for name, array in rows.items()}))
    session = onnxruntime.InferenceSession(graph)
    names = made_names(signature)
    for chosen in ([0], [7, 0, 3], [1], range(len(TEXTS))):
        some = as_batch({name: array[np.array(chosen)] for name, array in rows.items()})
        (found,) = session.run(None, {made: some[name] for name, made in names.inputs.items()})
        with torch.no_grad():
            wanted = network.finish(network({name: torch.as_tensor(a) for name, a in some.items()}))[
                "positive"
            ]
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)


def test_blocks_hold_each_parameter_once_and_gradients_reach_them(folders: dict[str, Path]) -> None:
    for kind in pretrained.KINDS:
        body = text_backbones.load(folders[kind])
        staged = [id(p) for block in body.blocks() for p in block.parameters()]
        assert len(staged) == len(set(staged))
        assert set(staged) == {id(p) for p in body.parameters()}
        assert len(body.blocks()) >= 3, "embeddings and two layers at least"
        body(torch.randint(5, 50, (2, 9)), torch.tensor([9, 4])).sum().backward()
        assert [key for key, p in body.named_parameters() if p.grad is None] == []


def test_the_first_token_stands_for_a_text_where_the_folder_says_so(bert: Path) -> None:
    mean = text_backbones.load(bert).eval()
    (bert / "1_Pooling").mkdir()
    (bert / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    first = text_backbones.load(bert).eval()
    tokens, lengths = torch.randint(5, 50, (2, 9)), torch.tensor([9, 4])
    with torch.no_grad():
        wanted = torch.nn.functional.layer_norm(mean.maps(tokens, lengths)[:, 0], (mean.features,))
        torch.testing.assert_close(first(tokens, lengths), wanted)


def test_frozen_then_whole_resumed_exported_and_answered(bert: Path, tmp_path: Path) -> None:
    data = problem()
    learner = data.learner(str(bert), out=tmp_path / "run", quiet=True)
    codec = learner.data.signature.inputs["review"]
    assert codec.op == "subwords@1"
    assert any("its own tokenizer" in note or "model's own tokenizer" in note for note in learner.notes)
    assert not any("no simple method" in note for note in learner.notes)
    result = learner.fine_tune(epochs=1, frozen_epochs=2)
    assert [phase.frozen for phase in learner.plan] == [True, False]
    assert "TF-IDF and logistic regression" in result["baselines"], "of the texts as simple methods see them"
    path = learner.export(tmp_path / "reviews.bundle")
    check_bundle(path)
    resumed = Learner.resume(tmp_path / "run", data)
    assert resumed.data.signature == learner.data.signature
    answer = dt.Predictor(path).predict({"review": "a great film", "age": 3})
    assert answer.label in ("pos", "neg")


def test_features_are_computed_once_for_all_frozen_epochs(bert: Path, tmp_path: Path) -> None:
    learner = problem().learner(str(bert), out=tmp_path / "run", quiet=True)
    (body,) = learner.network.bodies
    rows = []
    body.register_forward_hook(lambda _, given, out: rows.append(len(out)))
    learner.brief = True
    learner.train([Phase(5, 1e-2, frozen=True)])
    train, valid = len(learner.data.part("train")), len(learner.data.part("valid"))
    assert sum(rows) <= train + 2 * valid, "once each, and valid again for the result"


def test_folds_of_a_dataset_are_encoded_once(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from drivetrain.data.refit import fold, pool
    from drivetrain.learn.as_read import as_read_by

    pooled = pool(problem())
    rows = np.arange(len(pooled.table))
    one, other = (fold(pooled, rows[::2], rows[1::2]), fold(pooled, rows[1::2], rows[::2]))
    first, second = as_read_by(str(bert), one), as_read_by(str(bert), other)
    assert first.whole is second.whole
    assert first.signature.inputs["review"].op == "subwords@1"


def test_what_was_said_of_a_column_of_tokens_is_kept(bert: Path) -> None:
    frame = table()
    told = dt.tabular.from_frame(frame, "positive", columns={"review": "tokens:12-long:keep-end"})
    codec = codecs_for(str(bert), told.declared)["review"]
    assert (codec.length, codec.keep) == (12, "end")
    for words, match in (("tokens:bpe", "own tokenizer"), ("tokens:512-long", "66 tokens at most")):
        said = dt.tabular.from_frame(frame, "positive", columns={"review": words})
        with pytest.raises(UsageError, match=match):
            said.learner(str(bert), bare=True)


def test_many_rows_get_larger_batches(bert: Path) -> None:
    frame = {"review": [f"film {row}" for row in range(6400)], "positive": ["a", "b"] * 3200}
    data = dt.tabular.from_frame(frame, "positive", columns={"review": "text"})
    assert data.learner(str(bert), bare=True).settings.batch_size == 128


def test_a_model_of_texts_needs_texts_and_one_of_pictures_pictures(bert: Path) -> None:
    numbers = dt.tabular.from_frame({"age": [1.5, 2, 3, 4] * 9, "y": ["a", "b"] * 18}, "y")
    with pytest.raises(UsageError, match="takes texts"):
        numbers.learner(str(bert), bare=True)
    (bert / "config.json").write_text(json.dumps({"model_type": "resnet"}))
    with pytest.raises(UsageError, match="takes pictures"):
        problem().learner(str(bert), bare=True)


def test_the_hub_without_a_network_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(hub, "offline", lambda: "HF_HUB_OFFLINE forbids to download them")
    monkeypatch.setattr(hub, "cached", lambda name: None)
    with pytest.raises(hub.Unreachable, match="weights are not on this machine") as caught:
        problem().learner("sentence-transformers/all-MiniLM-L6-v2", bare=True)
    assert "hf download" in caught.value.fix


def test_faults_of_a_folder_are_told(bert: Path) -> None:
    weights = (bert / "model.safetensors").read_bytes()
    (bert / "model.safetensors").write_bytes(weights[:100])
    with pytest.raises(UsageError, match="can't be loaded"):
        problem().learner(str(bert), bare=True)
    (bert / "model.safetensors").write_bytes(weights)
    config = json.loads((bert / "config.json").read_text())
    (bert / "config.json").write_text(json.dumps({**config, "vocab_size": 7}))
    with pytest.raises(DrivetrainError, match=r"can't be loaded|knows 7"):
        problem().learner(str(bert), bare=True)
    (bert / "config.json").write_text(json.dumps(config))
    (bert / "tokenizer.json").unlink()
    (bert / "tokenizer_config.json").unlink()
    with pytest.raises(DrivetrainError):
        problem().learner(str(bert), bare=True)


def test_from_the_command_line(bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from drivetrain.cli.main import main

    pl.DataFrame(table()).write_csv(tmp_path / "reviews.csv")
    call = [
        "train",
        str(tmp_path / "reviews.csv"),
        "--target",
        "positive",
        "--model",
        str(bert),
        "--epochs",
        "1",
    ]
    more = ["--frozen-epochs", "1", "--out", str(tmp_path / "run"), "--export", str(tmp_path / "b.bundle")]
    assert main([*call, *more, "--no-check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bundle"]
    assert main([*call, *more, "--resume", "--force", "--json"]) == 0
    capsys.readouterr()
    call[-1], more[3] = "0", str(tmp_path / "head")
    assert main([*call, *more, "--force", "--lr", "1e-3", "--no-check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["epochs"] == 1
    assert main([*call, *more, "--resume", "--force", "--lr", "1e-3", "--json"]) == 0
    capsys.readouterr()
    call[5] = "mlp"
    assert main([*call, "--out", str(tmp_path / "none"), "--no-check", "--json"]) == 2
    assert "head alone" in json.loads(capsys.readouterr().out)["fix"]
