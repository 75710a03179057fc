"""The built-in bodies: shapes, gradients, stages, seeds, memory format, and loss curves that a refactor can't move."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from drivetrain.models import mobilenet
from drivetrain.models.bodies import cnn, mlp
from drivetrain.models.body import Body
from drivetrain.models.registry import MODELS, build_body

BUILT_IN = [name for name, model in MODELS.items() if model.module]
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 5, 40), (3, 48, 96), (3, 224, 224)]
GOLDEN_STEPS = 20
GOLDEN = {
    "cnn": [2.2877, 2.2034, 2.0849, 1.9137, 1.5212],
    "residual": [2.5022, 1.7709, 1.4364, 1.2153, 0.664],
}
"""Loss at steps 1, 5, 10, 15 and 20 on the digits, written by `golden_curve` and pasted here."""


def pictures(shape, n=2, seed=0):
    channels, height, width = shape
    images = torch.randn(n, channels, height, width, generator=torch.Generator().manual_seed(seed))
    return images.contiguous(memory_format=torch.channels_last)


def built(name, shape, seed=0) -> Body:
    torch.manual_seed(seed)
    return build_body(name, shape)


def digits():
    from sklearn.datasets import load_digits

    data = load_digits()
    images = torch.from_numpy((data.images[:, None].astype(np.float32) - 4.9) / 6.0)
    return images.contiguous(memory_format=torch.channels_last), torch.from_numpy(
        data.target.astype(np.int64)
    )


def classifier(name, seed=0):
    body = built(name, (1, 8, 8), seed)
    return nn.Sequential(body, nn.Linear(body.features, 10)).to(memory_format=torch.channels_last)


def golden_curve(name):
    images, labels = digits()
    network = classifier(name)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    losses = []
    for step in range(GOLDEN_STEPS):
        rows = slice(64 * step, 64 * step + 64)
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images[rows]), labels[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return [losses[step - 1] for step in (1, 5, 10, 15, 20)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", BUILT_IN)
def test_features_have_the_promised_width_and_gradients_reach_every_parameter(name, shape):
    if name == "mlp" and shape == (3, 224, 224):
        shape = (3, 64, 64)
    body = built(name, shape)
    features = body(pictures(shape, n=4))
    assert features.shape == (4, body.features)
    assert features.dtype == torch.float32
    assert torch.isfinite(features).all()
    if list(body.parameters()):
        features.square().sum().backward()
        dead = [key for key, p in body.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert dead == []


@pytest.mark.parametrize("name", BUILT_IN)
def test_stages_hold_every_parameter_once_and_in_order(name):
    body = built(name, (3, 32, 32))
    staged = [id(p) for block in body.blocks() for p in block.parameters()]
    assert staged == [id(p) for p in body.parameters()]


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name != "linear"])
def test_a_seed_decides_the_weights(name):
    first, again, other = (built(name, (1, 28, 28), seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", ["cnn", "residual"])
def test_maps_stay_channels_last(name):
    body = built(name, (3, 28, 28)).to(memory_format=torch.channels_last)
    seen = []
    for module in body.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda _module, _args, maps: seen.append(
                    maps.is_contiguous(memory_format=torch.channels_last)
                )
            )
    body(pictures((3, 28, 28)))
    assert len(seen) >= 2
    assert all(seen)


def test_the_cnn_is_the_books_on_28_pixels():
    body = cnn.build((1, 28, 28))
    kinds = [type(layer).__name__ for pair in body.pairs for layer in pair]
    assert kinds == ["Conv2d", "MaxPool2d", "BiasOf", "ReLU"] * 2
    shapes = [tuple(p.shape) for p in body.parameters()]
    assert shapes == [(32, 1, 3, 3), (32,), (64, 32, 3, 3), (64,), (128, 64 * 5 * 5), (128,)]
    maps = []
    for pair in body.pairs:
        pair[0].register_forward_hook(lambda _module, _args, out: maps.append(out.shape[-1]))
    body(pictures((1, 28, 28)))
    assert maps == [26, 11]


def test_pooling_before_bias_and_relu_gives_the_answer_of_pooling_after_them():
    body = cnn.build((1, 28, 28))
    images = pictures((1, 28, 28))
    maps = images
    for convolution, pooling, bias, relu in body.pairs:
        maps = pooling(relu(bias(convolution(maps))))
    assert torch.equal(body(images), body.dense(maps))
    assert all(bias.bias.abs().min() > 0 for _, _, bias, _ in body.pairs)


def test_mlp_takes_widths_and_puts_dropout_between_its_layers():
    body = mlp.MLP((4, 4, 1), widths=(7, 5, 3), dropout=0.5)
    assert [p.shape[0] for key, p in body.named_parameters() if key.endswith("weight")] == [7, 5, 3]
    drops = [any(isinstance(part, nn.Dropout) for part in layer) for layer in body.layers]
    assert drops == [False, True, True]


@pytest.mark.parametrize("build", [mobilenet.mobilenet_v1, mobilenet.mobilenet_v2])
def test_mobilenet_stages_gradients_and_grey_pictures(build):
    torch.manual_seed(0)
    body = build(width=0.25)
    assert [id(p) for block in body.blocks() for p in block.parameters()] == [
        id(p) for p in body.parameters()
    ]
    images = pictures((1, 64, 64), n=4)
    features = body(images)
    assert features.shape == (4, body.features)
    features.square().sum().backward()
    assert all(p.grad is not None for p in body.parameters())
    body.eval()
    assert torch.equal(body(images), body(images.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize("side", [7, 8])
def test_same_padding_is_tensorflows(side):
    """Right and below only on an even side with stride 2; all round on an odd one."""
    conv = mobilenet.SameConv2d(1, 1, 3, 2, 0, bias=False)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        output = conv(torch.arange(side * side, dtype=torch.float32).reshape(1, 1, side, side))
    rows = np.arange(side * side, dtype=np.float32).reshape(side, side)
    before = 0 if side % 2 == 0 else 1
    padded = np.pad(rows, ((before, 1), (before, 1)))
    expected = [[padded[r : r + 3, c : c + 3].sum() for c in range(0, side, 2)] for r in range(0, side, 2)]
    np.testing.assert_array_equal(output[0, 0].numpy(), np.array(expected))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(GOLDEN))
def test_twenty_steps_on_the_digits_are_as_they_were(name):
    assert golden_curve(name) == pytest.approx(GOLDEN[name], rel=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cnn", "residual"])
def test_digits_of_eight_pixels_are_learned(name):
    images, labels = digits()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    train, test = order[360:], order[:360]
    network = classifier(name)
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    epochs, batch = 10, 64
    steps = epochs * -(-len(train) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    shuffler = torch.Generator().manual_seed(1)
    for _ in range(epochs):
        for rows in train[torch.randperm(len(train), generator=shuffler)].split(batch):
            optimizer.zero_grad()
            F.cross_entropy(network(images[rows]), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.inference_mode():
        accuracy = (network(images[test]).argmax(1) == labels[test]).float().mean().item()
    assert accuracy >= 0.96
