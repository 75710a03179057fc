"""Names resolve without torch or network; an unreachable hub is told within a second and never stops a short name."""

import subprocess
import sys
import threading
import time

import huggingface_hub.constants
import pytest
import several

import drivetrain as dt
from drivetrain.errors import FileError, UsageError
from drivetrain.models import hub, registry
from drivetrain.models.registry import MODELS, build_body, resolve


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return tmp_path / "cache"


@pytest.fixture
def no_network(empty_cache, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(hub.socket, "create_connection", refuse)


@pytest.fixture
def hanging_network(empty_cache, monkeypatch):
    released = threading.Event()

    def hang(*_args, **_options):
        released.wait(30)
        raise OSError("too late")

    monkeypatch.setattr(hub.socket, "create_connection", hang)
    yield
    released.set()


def test_what_names_mean(tmp_path):
    assert resolve("cnn").kind == "built-in"
    assert (resolve("resnet18").kind, resolve("resnet18").location) == ("hub", "microsoft/resnet-18")
    assert resolve("owner/some-model_1.0").kind == "hub"
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    assert resolve(str(tmp_path / "model")).kind == "folder"
    (tmp_path / "w.safetensors").write_bytes(b"")
    assert resolve(str(tmp_path / "w.safetensors")).kind == "weights"


def test_each_short_name_has_a_description_and_one_origin():
    for name, model in MODELS.items():
        assert model.description, name
        assert bool(model.module) != bool(model.hub), name
        assert bool(model.hub) == bool(model.config), name


@pytest.mark.parametrize(
    ("typed", "meant"), [("resnet81", "resnet18"), ("residul", "residual"), ("mobilnet_v2", "mobilenet_v2")]
)
def test_an_unknown_name_is_answered_with_the_nearest(typed, meant):
    with pytest.raises(UsageError) as caught:
        resolve(typed)
    assert caught.value.fix.startswith("Did you mean")
    assert meant in caught.value.fix
    assert caught.value.exit_code == 2


def test_a_name_like_no_other_is_answered_with_all():
    with pytest.raises(UsageError) as caught:
        resolve("zzzzzz")
    assert all(name in caught.value.fix for name in MODELS)


@pytest.mark.parametrize(
    ("name", "of"), [("trees", "table"), ("ease", "histories"), ("factors", "two categories")]
)
def test_a_model_without_a_network_is_known_and_says_what_it_is_for(name, of):
    with pytest.raises(UsageError, match=of) as caught:
        resolve(name)
    assert "cnn" in caught.value.fix


def test_only_models_that_fit_the_data_are_offered():
    pictures, table = several.pictures(), several.columns()
    block = dt.DataBlock(
        inputs={"user": dt.Category(open=True), "item": dt.Category(open=True)},
        targets={"rating": dt.Number()},
    )
    ratings = block.from_columns({"user": list("aabb"), "item": list("xyxy"), "rating": [1, 2, 3, 4]})
    assert registry.fitting(pictures.signature) == tuple(MODELS)
    columns = ("best", "linear", "mlp", "trees", "regression")
    assert registry.fitting(table.signature) == columns
    assert registry.fitting(ratings.signature) == (*columns, "factors", "dot", "neural")
    for data, name in ((pictures, "dot"), (table, "resnet18")):
        with pytest.raises(UsageError, match="no model is called") as caught:
            data.learner("zzz")
        assert name not in caught.value.fix


@pytest.mark.parametrize("name", ["factors", *registry.PAIRS])
def test_what_takes_two_categories_says_once_what_there_is_instead(name):
    with pytest.raises(UsageError, match="here is image") as caught:
        several.pictures().learner(name)
    assert "image image" not in caught.value.error
    assert "cnn" in caught.value.fix


@pytest.mark.parametrize("suffix", registry.PICKLED)
def test_pickles_are_refused_with_the_reason(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(b"\x80\x04.")
    with pytest.raises(UsageError, match="pickle") as caught:
        build_body(str(path), (3, 32, 32))
    assert "safetensors" in caught.value.fix


def test_paths_that_are_not_models(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        resolve(str(tmp_path / "absent.safetensors"))
    with pytest.raises(FileError, match="no such folder"):
        resolve(str(tmp_path / "absent"))
    with pytest.raises(UsageError, match=r"config\.json"):
        resolve(str(tmp_path))


def test_built_in_bodies_have_no_pretrained_weights():
    with pytest.raises(UsageError, match="no pretrained weights") as caught:
        build_body("cnn", (1, 28, 28), pretrained=True)
    assert "resnet18" in caught.value.fix


def test_names_resolve_without_torch_or_transformers():
    program = (
        "import sys; from drivetrain.models import registry, hub, local; registry.resolve('resnet18'); "
        "local.shipped_records(); "
        "print([name for name in ('torch', 'transformers', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("network", ["no_network", "hanging_network"])
def test_an_unreachable_hub_is_told_within_a_second(network, request):
    request.getfixturevalue(network)
    seconds = []
    for _ in range(3):  # The best of three, since this machine may be busy.
        start = time.monotonic()
        with pytest.raises(hub.Unreachable) as caught:
            hub.fetch("microsoft/resnet-18")
        seconds.append(time.monotonic() - start)
    assert min(seconds) < 1.0
    assert caught.value.where == "microsoft/resnet-18"
    assert "hf download microsoft/resnet-18" in caught.value.fix


@pytest.mark.usefixtures("empty_cache")
def test_offline_mode_asks_no_network(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(
        hub.socket, "create_connection", lambda *_args, **_options: pytest.fail("asked the network")
    )
    with pytest.raises(hub.Unreachable, match="HF_HUB_OFFLINE"):
        hub.fetch("microsoft/resnet-18")


def test_what_is_in_the_cache_needs_no_network(empty_cache, monkeypatch):
    monkeypatch.setattr(
        hub.socket, "create_connection", lambda *_args, **_options: pytest.fail("asked the network")
    )
    snapshot = empty_cache / "models--owner--name" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (empty_cache / "models--owner--name" / "refs").mkdir()
    (empty_cache / "models--owner--name" / "refs" / "main").write_text("abc")
    (snapshot / "config.json").write_text("{}")
    assert hub.cached("owner/name") is None
    (snapshot / "model.safetensors").write_bytes(b"")
    assert hub.fetch("owner/name") == snapshot


@pytest.mark.slow
@pytest.mark.usefixtures("no_network")
def test_without_network_a_short_name_trains_from_scratch_and_says_so():
    body = build_body("mobilenet_v2", (3, 32, 32))
    assert body.pretrained is None
    assert body.normalization is None
    assert not body.frozen_norm
    (note,) = body.notes
    assert "training from scratch" in note
    assert "hf download google/mobilenet_v2_1.0_224" in note


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(("name", "pretrained"), [("resnet18", True), ("owner/name", "auto")])
def test_without_network_weights_that_were_asked_for_are_an_error(name, pretrained):
    with pytest.raises(hub.Unreachable):
        build_body(name, (3, 32, 32), pretrained=pretrained)
