"""Backbones of transformers, as tiny models made from configurations and loaded from the folder they were saved in."""

import io
import json
import shutil
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from drivetrain.bundle.graph import check_model
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.graphs.torch_export import _strip
from drivetrain.models import backbones
from drivetrain.models.registry import MODELS, build_body

pytestmark = pytest.mark.slow  # transformers alone takes seconds to import
SIDE = 64
CONFIGS = {
    "resnet": ("ResNet", {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}),
    "convnext": ("ConvNext", {"hidden_sizes": [8, 16, 16, 24], "depths": [1, 1, 1, 1]}),
    "mobilenet_v2": ("MobileNetV2", {"depth_multiplier": 0.35, "layer_norm_eps": 1e-5}),
    "vit": ("ViT", {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
                    "image_size": SIDE, "patch_size": 16}),
    "dinov2": ("Dinov2", {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56,
                          "patch_size": 14}),
}  # fmt: skip
WIDTHS = {"resnet": 16, "convnext": 24, "mobilenet_v2": 1280, "vit": 16, "dinov2": 16}
STAGES = {"resnet": 3, "convnext": 6, "mobilenet_v2": 18, "vit": 4, "dinov2": 4}
"""Stem or embeddings; stages, blocks or layers; a last norm or convolution."""

TWINS = ("resnet34", "resnet50", "vit_base")
"""Large, and made from the same lines as a smaller one."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    made = {}
    for kind, (name, settings) in CONFIGS.items():
        torch.manual_seed(0)
        model = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**settings))
        made[kind] = tmp_path_factory.mktemp(kind)
        model.save_pretrained(made[kind])
    logging.enable_progress_bar()
    return made


@pytest.fixture
def resnet(folders, tmp_path):
    return shutil.copytree(folders["resnet"], tmp_path / "model")


def reference(folder, kind, images):
    """Pooled features straight from transformers."""
    import transformers

    model = getattr(transformers, f"{CONFIGS[kind][0]}Model").from_pretrained(folder).eval()
    with torch.inference_mode():
        output = model(pixel_values=images)
    return output.last_hidden_state[:, 0] if kind in ("vit", "dinov2") else output.pooler_output.flatten(1)


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_a_folder_gives_the_features_of_transformers(folders, kind):
    side = 56 if kind == "dinov2" else SIDE
    body = build_body(str(folders[kind]), (3, side, side))
    assert body.training
    body.eval()
    images = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = body(images)
    assert features.shape == (3, body.features) == (3, WIDTHS[kind])
    torch.testing.assert_close(features, reference(folders[kind], kind, images), rtol=1e-4, atol=1e-5)
    assert body.normalization == backbones.IMAGENET
    assert body.pretrained == str(folders[kind])
    assert body.frozen_norm == (kind in ("resnet", "mobilenet_v2"))


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_stages_and_gradients_reach_every_parameter_once(folders, kind):
    body = build_body(str(folders[kind]), (3, SIDE, SIDE))
    assert len(body.blocks()) == STAGES[kind]
    staged = [id(p) for block in body.blocks() for p in block.parameters()]
    assert len(staged) == len(set(staged))
    assert set(staged) == {id(p) for p in body.parameters()}
    body(torch.randn(2, 3, SIDE, SIDE)).sum().backward()
    assert [key for key, p in body.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_grey_pictures_are_repeated(folders, kind):
    body = build_body(str(folders[kind]), (1, SIDE, SIDE)).eval()
    images = torch.randn(2, 1, SIDE, SIDE)
    with torch.inference_mode():
        assert torch.equal(body(images), body(images.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize("kind", ["vit", "dinov2"])
@pytest.mark.parametrize("size", [(112, 112), (112, 70)], ids=str)
def test_transformers_take_other_sizes_than_their_own(folders, kind, size):
    body = build_body(str(folders[kind]), (3, *size)).eval()
    with torch.inference_mode():
        assert body(torch.randn(2, 3, *size)).shape == (2, 16)


def test_position_embeddings_are_interpolated_as_transformers_does(folders):
    import transformers

    images = torch.randn(1, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    model = transformers.ViTModel.from_pretrained(folders["vit"]).eval()
    body = build_body(str(folders["vit"]), (3, 112, 112)).eval()
    with torch.inference_mode():
        expected = model(pixel_values=images, interpolate_pos_encoding=True).last_hidden_state[:, 0]
        torch.testing.assert_close(body(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.hub and name not in TWINS])
def test_short_names_can_start_from_random_weights(name):
    torch.manual_seed(0)
    body = build_body(name, (1, 32, 32), pretrained=False)
    assert body.pretrained is None
    assert body.normalization is None
    with torch.inference_mode():
        assert body.eval()(torch.randn(2, 1, 32, 32)).shape == (2, body.features)


@pytest.mark.parametrize(
    ("record", "mean", "std", "size"),
    [
        (
            {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "size": {"height": 96, "width": 96}},
            0.5,
            0.25,
            96,
        ),
        (
            {
                "image_mean": [0.5] * 3,
                "image_std": [0.25] * 3,
                "size": {"shortest_edge": 256},
                "crop_size": 224,
            },
            0.5,
            0.25,
            224,
        ),
        ({"do_normalize": False, "size": 80}, 0.0, 1.0, 80),
        ({"do_normalize": False, "rescale_factor": 1 / 127.5, "rescale_offset": True}, 0.5, 0.5, None),
    ],
)
def test_preprocessing_comes_from_its_file(resnet, record, mean, std, size):
    (resnet / "preprocessor_config.json").write_text(json.dumps(record))
    body = build_body(str(resnet), (3, SIDE, SIDE))
    assert body.normalization[0] == pytest.approx((mean,) * 3)
    assert body.normalization[1] == pytest.approx((std,) * 3)
    assert body.size == size


def test_missing_weights_are_an_error_not_random(resnet):
    tensors = load_file(resnet / "model.safetensors")
    gone = next(key for key in sorted(tensors) if key.endswith("convolution.weight"))
    del tensors[gone]
    save_file(tensors, resnet / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DrivetrainError, match="lack") as caught:
        build_body(str(resnet), (3, SIDE, SIDE))
    assert gone in caught.value.error


def test_a_folder_with_pickled_weights_only_is_refused(resnet):
    torch.save({}, resnet / "pytorch_model.bin")
    (resnet / "model.safetensors").unlink()
    with pytest.raises(UsageError, match="can't be loaded") as caught:
        build_body(str(resnet), (3, SIDE, SIDE))
    assert "safetensors" in caught.value.fix


def test_damaged_weights_are_told(resnet):
    weights = (resnet / "model.safetensors").read_bytes()
    (resnet / "model.safetensors").write_bytes(weights[:100])
    with pytest.raises(UsageError, match="can't be loaded"):
        build_body(str(resnet), (3, SIDE, SIDE))


def test_a_language_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(UsageError, match="not an image backbone"):
        build_body(str(tmp_path), (3, SIDE, SIDE))


def test_code_in_a_folder_is_never_run(resnet, tmp_path):
    config = json.loads((resnet / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"}}
    (resnet / "config.json").write_text(json.dumps(config))
    (resnet / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Own: pass\n")
    with pytest.raises(UsageError):
        build_body(str(resnet), (3, SIDE, SIDE))
    assert not (tmp_path / "ran").exists()


def test_pictures_too_small_say_which_size(folders):
    with pytest.raises(UsageError, match="8x8") as caught:
        build_body(str(folders["vit"]), (3, 8, 8))
    assert "image size" in caught.value.fix


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*CONFIGS, "cnn", "residual"])
def test_the_exported_graph_agrees(folders, kind):
    import onnxruntime

    shape = (3, SIDE, SIDE)
    torch.manual_seed(0)
    body = build_body(str(folders.get(kind, kind)), shape).eval()
    for module in body.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # Untrained statistics make the features of a deep net vanish, and any graph would agree.
            module.momentum = None
    with torch.no_grad():
        body.train()(torch.randn(8, 3, SIDE, SIDE))
        body.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        program = torch.onnx.export(
            body, (torch.randn(3, 3, SIDE, SIDE),), dynamo=True, opset_version=20, verbose=False,
            dynamic_shapes=({0: torch.export.Dim("n")},),
        )  # fmt: skip
    data = io.BytesIO()
    _strip(program.model_proto)
    program.save(data)
    assert check_model(data.getvalue()), "made of operators that a bundle may hold"
    session = onnxruntime.InferenceSession(data.getvalue(), providers=["CPUExecutionProvider"])
    for rows in (1, 5):
        images = torch.randn(rows, 3, SIDE, SIDE)
        (output,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
        with torch.inference_mode():
            expected = body(images).numpy()
        assert np.abs(expected).max() > 1e-2
        np.testing.assert_allclose(output, expected, atol=1e-4 * np.abs(expected).max())
