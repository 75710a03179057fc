"""Weights files with a record: what is loaded is what was recorded, or one clear error."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from drivetrain import files
from drivetrain.codecs.image import Image
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.models import local, mobilenet
from drivetrain.models.registry import build_body

SHAPE = (3, 64, 64)
GOLDEN_FEATURES = [
    0.0,
    0.0352,
    0.4701,
    0.0,
    4.1034,
    0.1621,
    0.0,
    0.0,
    0.0026,
    0.0,
    0.024,
    0.2018,
    0.0,
    3.4166,
    3.2519,
    0.0,
]
"""The features 0, 80, 160... of `golden_picture` from the real MobileNetV2, and below their mean and deviation."""
GOLDEN_MOMENTS = (0.40376, 0.95230)


def published(body):
    """The tensors of a body as they are published: other names, half precision, with the classifier."""
    tensors = {key.replace("layers.", "features.", 1): value for key, value in body.state_dict().items()}
    tensors = {key: value.half() if value.ndim == 4 else value.clone() for key, value in tensors.items()}
    return tensors | {
        "classifier.1.weight": torch.zeros(10, body.features),
        "classifier.1.bias": torch.zeros(10),
    }


def record_of(path, **changes):
    record = {
        "architecture": "mobilenet_v2", "width": 0.25, "padding": "same", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4],
        "size": 64, "frozen_norm": True, "sha256": files.sha256(path.read_bytes()), "source": "a test", "licence": "none",
    }  # fmt: skip
    return record | changes


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "tiny.safetensors"
    save_file(published(mobilenet.mobilenet_v2(width=0.25)), path)
    path.with_suffix(".json").write_text(json.dumps(record_of(path)))
    return path


def rewrite(path, change):
    """Change the tensors, and keep the record's hash right."""
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    path.with_suffix(".json").write_text(json.dumps(record_of(path)))


def test_a_recorded_file_gives_its_body(weights):
    body = build_body(str(weights), SHAPE)
    assert body.normalization == ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    assert body.size == 64
    assert body.frozen_norm
    assert "a test" in body.pretrained
    stored = load_file(weights)
    for key, value in body.state_dict().items():
        assert value.dtype in (torch.float32, torch.int64)
        assert torch.equal(value, stored[key.replace("layers.", "features.", 1)].to(value.dtype))


def test_without_its_weights_it_is_random_and_trains_its_norms(weights):
    body = build_body(str(weights), SHAPE, pretrained=False)
    assert body.pretrained is None
    assert not body.frozen_norm


def test_no_record_says_what_one_must_hold(weights):
    weights.with_suffix(".json").unlink()
    with pytest.raises(UsageError, match="no record") as caught:
        local.load(weights)
    assert all(name in caught.value.fix for name in local.FIELDS)
    assert files.sha256(weights.read_bytes()) in caught.value.fix


def test_a_changed_file_is_refused(weights):
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(DataError, match="not the recorded weights"):
        local.load(weights)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"architecture": "mobilenet_v9"}, "mobilenet_v9"),
        ({"mean": [0.5]}, "mean"),
        ({"mean": [0.5, 0.5, True]}, "mean"),
        ({"std": [0.2, 0.0, 0.2]}, "std"),
        ({"size": "224"}, "size"),
        ({"size": True}, "size"),
        ({"licence": None}, "licence"),
        ({"widht": 1.0}, "widht"),
        ({"padding": "valid"}, "padding"),
    ],
)
def test_a_wrong_record_is_refused_naming_the_field(weights, changes, named):
    weights.with_suffix(".json").write_text(json.dumps(record_of(weights, **changes)))
    with pytest.raises(DrivetrainError) as caught:
        local.load(weights)
    assert named in str(caught.value)


def test_missing_unexpected_and_misshapen_tensors_are_named(weights):
    def change(tensors):
        del tensors["features.3.conv.2.weight"]
        tensors["features.99.weight"] = torch.zeros(1)
        tensors["features.0.0.weight"] = torch.zeros(8, 3, 5, 5)

    rewrite(weights, change)
    with pytest.raises(DrivetrainError) as caught:
        local.load(weights)
    assert "missing: layers.3.conv.2.weight" in caught.value.error
    assert "unexpected: layers.99.weight" in caught.value.error
    assert "(8, 3, 5, 5)" in caught.value.error


def test_what_is_no_safetensors_file_is_refused(weights):
    weights.write_bytes(b"\x80\x04not tensors")
    weights.with_suffix(".json").write_text(json.dumps(record_of(weights)))
    with pytest.raises(DataError, match="not a safetensors file"):
        local.load(weights)


def test_mobilenet_v2_computes_what_transformers_computes():
    """The implementation of transformers has the same padding and the same order of tensors under other names."""
    from transformers import MobileNetV2Config, MobileNetV2Model

    torch.manual_seed(0)
    ours = mobilenet.mobilenet_v2().eval()
    theirs = MobileNetV2Model(MobileNetV2Config(layer_norm_eps=1e-5)).eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    for side in (64, 97):
        images = torch.randn(2, 3, side, side)
        with torch.inference_mode():
            expected = theirs(images).pooler_output
            torch.testing.assert_close(
                ours(images), expected, rtol=1e-4, atol=expected.abs().max().item() * 1e-4
            )


def real(name):
    if "DRIVETRAIN_DATA" not in os.environ:
        pytest.skip("DRIVETRAIN_DATA is not set")
    path = Path(os.environ["DRIVETRAIN_DATA"]) / "weights" / name
    if not path.is_file():
        pytest.skip(f"there is no weights/{name} in DRIVETRAIN_DATA")
    return path


def golden_picture():
    """uint8 (1, 224, 224, 3), made of integers only."""
    row, column, channel = np.meshgrid(np.arange(224), np.arange(224), np.arange(3), indexing="ij")
    blocks = (row // 32 * 37 + column // 28 * 61 + channel * 83) % 256
    return ((blocks + row * column // 97 + column) % 256).astype(np.uint8)[None]


def normalised(body, images):
    mean, std = (torch.tensor(part) for part in body.normalization)
    return ((torch.from_numpy(images).float() / 255 - mean) / std).permute(0, 3, 1, 2)


@pytest.mark.parametrize("name", ["mobilenet_v2_1.0", "mobilenet_v1_0.5", "mobilenet_v1_0.25"])
def test_shipped_records_load_the_real_weights(name):
    body = build_body(str(real(f"{name}.safetensors")), (3, 128, 128))
    assert body.normalization == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert body.frozen_norm == ("v2" in name)
    with torch.inference_mode():
        assert torch.isfinite(body.eval()(torch.zeros(1, 3, 128, 128))).all()


def test_features_of_the_real_mobilenet_v2_are_as_they_were():
    body = build_body(str(real("mobilenet_v2_1.0.safetensors")), (3, 224, 224)).eval()
    with torch.inference_mode():
        features = body(normalised(body, golden_picture()))[0].numpy()
    np.testing.assert_allclose(features[::80], GOLDEN_FEATURES, atol=1e-3)
    assert (features.mean(), features.std()) == pytest.approx(GOLDEN_MOMENTS, rel=1e-3)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_ants_and_bees_are_known_without_training_and_torchs_padding_is_worse():
    """Over all 1,000 classes, all photographs as the codec encodes them.

    The page of the weights says 0.851, and 0.790 with torch's padding, without saying how it resized; that is not
    reached here. What is held: far above chance, and below it by two points with the other padding.
    """
    path = real("mobilenet_v2_1.0.safetensors")
    folder = path.parents[1] / "hymenoptera_ants_bees"
    codec = Image(size=224, channels=3)
    files_of = {
        code: sorted(folder.glob(f"*/{label}/*.jpg")) for label, code in (("ants", 310), ("bees", 309))
    }
    rows = [codec.encode(codec.read(file)) for found in files_of.values() for file in found]
    classes = [code for code, found in files_of.items() for _ in found]
    tensors = load_file(path)
    weight, bias = tensors["classifier.1.weight"].float(), tensors["classifier.1.bias"]
    same = build_body(str(path), (3, 224, 224)).eval()
    symmetric = mobilenet.mobilenet_v2(padding="symmetric").eval()
    symmetric.load_state_dict(same.state_dict())
    accuracy = {}
    for name, body in (("same", same), ("symmetric", symmetric)):
        body.to(memory_format=torch.channels_last)
        right = 0
        with torch.inference_mode():
            for start in range(0, len(rows), 32):
                images = normalised(same, np.stack(rows[start : start + 32]))
                answers = (body(images) @ weight.T + bias).argmax(1)
                right += int((answers == torch.tensor(classes[start : start + 32])).sum())
        accuracy[name] = right / len(rows)
    assert accuracy["same"] >= 0.72
    assert accuracy["same"] - accuracy["symmetric"] >= 0.02
