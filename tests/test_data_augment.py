"""Augmentation: exact where it must be, one resampling, alike on every path, repeatable from its generator."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from drivetrain.data.augment.pictures import DRAWS, Augment
from drivetrain.data.augment.resample import _pixel_matrices, _resample_tensor, look_up, resample
from drivetrain.errors import UsageError

EYE = np.eye(3)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(count: int = 4, height: int = 20, width: int = 24, channels: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (count, height, width, channels), dtype=torch.uint8, generator=generator(1))


def smooth(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A smooth three-channel picture as a function of place (-1 to 1), 20 to 235."""
    waves = [np.sin(2 * x + y), np.cos(1.5 * y - x), np.sin(x * y + 1)]
    return 127.5 + 107.5 * np.stack(waves, axis=-1)


def places(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The places of the pixel centres, -1 to 1 along each side."""
    y, x = np.mgrid[0:height, 0:width]
    return (2 * x + 1) / width - 1, (2 * y + 1) / height - 1


def picture(height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(np.rint(smooth(*places(height, width))).astype(np.uint8))[None]


def repeat(homography: np.ndarray, count: int) -> np.ndarray:
    return np.broadcast_to(homography, (count, 3, 3))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("shape", [(20, 24), (1, 1), (1, 7), (7, 1)])
def test_identity_gives_the_picture_back(shape, channels):
    images = noise(3, *shape, channels)
    assert torch.equal(resample(images, repeat(EYE, 3), shape), images)


@pytest.mark.parametrize("channels", [1, 3])
def test_known_changes_are_exact(channels):
    images = noise(3, channels=channels)
    for signs, dims in (((-1, 1, 1), [2]), ((1, -1, 1), [1]), ((-1, -1, 1), [1, 2])):
        changed = resample(images, repeat(np.diag(signs).astype(float), 3), (20, 24))
        assert torch.equal(changed, images.flip(dims))
    right_5_down_2 = np.array([[1, 0, 2 * 5 / 24], [0, 1, 2 * 2 / 20], [0, 0, 1]])
    moved = resample(images, repeat(right_5_down_2, 3), (20, 24))
    assert torch.equal(moved[:, :18, :19], images[:, 2:, 5:])
    # Outside is the reflection about the last pixel: column 23, then 22, 21 ...
    assert torch.equal(moved[:, :18, 19:], images[:, 2:, 18:23].flip(2))
    assert torch.equal(moved[:, 18:, :19], images[:, 17:19, 5:].flip(1))


def test_quarter_turn_of_a_square():
    images = noise(2, 20, 20)
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert torch.equal(resample(images, repeat(turn, 2), (20, 20)), images.rot90(1, (1, 2)))


def test_half_pixel_is_the_rounded_mean():
    images = noise(1)
    half = np.array([[1, 0, 1 / 24], [0, 1, 0], [0, 0, 1]])
    seen = resample(images, half[None], (20, 24))[:, :, :23].int()
    assert torch.equal(seen, (images[:, :, :-1].int() + images[:, :, 1:].int() + 1) // 2)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(64, 64, (64, 64)), (80, 96, (64, 80)), (64, 96, (48, 72))]
)
def test_one_resampling_equals_the_analytic_warp(height, width, size):
    augment = Augment(flip=0.5, flip_vertical=0.5, rotate=25, zoom=1.3, warp=0.3, lighting=0, probability=1)
    draws = np.random.default_rng(3).random((16, DRAWS))
    homographies = augment._homographies(draws, size)
    images = picture(height, width).expand(16, -1, -1, -1)
    seen = resample(images, homographies, size).numpy()
    x, y = places(*size)
    compared = 0
    for homography, got in zip(homographies, seen):
        u, v, depth = np.einsum("ij,jhw->ihw", homography, np.stack([x, y, np.ones_like(x)]))
        u, v = u / depth, v / depth
        inside = (np.abs(u) < 0.97) & (np.abs(v) < 0.97)
        assert np.abs(smooth(u, v) - got)[inside].max() < 2.0
        compared += inside.sum()
    assert compared > 0.5 * 16 * size[0] * size[1]


def test_warp_lengthens_one_edge_as_documented():
    augment = Augment(flip=0, rotate=0, zoom=1, warp=0.2, lighting=0, probability=1)
    draws = np.full((1, DRAWS), 0.5)
    draws[0, 9] = 1.0  # the strongest tilt about one axis, none about the other
    (homography,) = augment._homographies(draws, (10, 10))

    def seen(x, y):
        u, v, depth = homography @ (x, y, 1)
        return np.array([u, v]) / depth

    lengths = {x: seen(x, 1)[1] - seen(x, -1)[1] for x in (-1, 1)}
    assert lengths[-1] / lengths[1] == pytest.approx(1.2 / 0.8)
    assert seen(-1, 0) == pytest.approx((-1, 0))
    assert seen(1, 0) == pytest.approx((1, 0))


@pytest.mark.parametrize(("size", "aspect"), [((50, 50), 1.0), ((40, 80), 2.0)])
def test_rotation_turns_pixels_rigidly_and_within_its_range(size, aspect):
    augment = Augment(flip=0, rotate=30, zoom=1, warp=0, lighting=0, probability=1)
    draws = np.random.default_rng(0).random((500, DRAWS))
    to_pixels = np.diag([aspect, 1, 1])
    turns = to_pixels @ augment._homographies(draws, size) @ np.linalg.inv(to_pixels)
    assert np.allclose(turns[:, :2, :2] @ turns[:, :2, :2].transpose(0, 2, 1), np.eye(2))
    angles = np.degrees(np.arctan2(turns[:, 1, 0], turns[:, 0, 0]))
    assert -30 <= angles.min() < -28
    assert 28 < angles.max() <= 30
    assert abs(angles.mean()) < 3


def test_zoom_stays_inside_the_picture_and_shift_within_its_share():
    draws = np.random.default_rng(0).random((500, DRAWS))
    off = {"flip": 0, "rotate": 0, "warp": 0, "lighting": 0, "probability": 1}
    crops = Augment(zoom=1.5, **off)._homographies(draws, (10, 10))
    scale, offset = crops[:, 0, 0], crops[:, :2, 2]
    assert (scale >= 1 / 1.5).all()
    assert (scale <= 1).all()
    assert (scale[:, None] + np.abs(offset) <= 1 + 1e-12).all()
    assert np.abs(offset).max() > 0.25
    shifts = Augment(zoom=1, shift=0.1, **off)._homographies(draws, (10, 10))[:, :2, 2]
    assert 0.19 < np.abs(shifts).max() <= 0.2  # of a side that runs from -1 to 1


def changes(channels: int, count: int = 8) -> tuple[torch.Tensor, np.ndarray]:
    augment = Augment(flip_vertical=0.5, rotate=180, zoom=1.4, shift=0.3, warp=0.4, probability=1)
    homographies = augment._homographies(np.random.default_rng(5).random((count, DRAWS)), (48, 40))
    return picture(64, 56)[..., :channels].repeat(count, 1, 1, 1), homographies


def assert_same_but_for_rounding(one: torch.Tensor, other: torch.Tensor) -> None:
    difference = (one.int() - other.int()).abs()
    assert difference.max() <= 2
    assert (difference > 0).float().mean() < 0.02


@pytest.mark.parametrize("channels", [1, 3])
def test_blocks_and_grid_sample_agree(channels):
    images, homographies = changes(channels)
    matrices = torch.from_numpy(_pixel_matrices(homographies, (64, 56), (48, 40)))
    assert_same_but_for_rounding(
        resample(images, homographies, (48, 40)), _resample_tensor(images, matrices, (48, 40))
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_and_cpu_agree():
    images = picture(64, 56).repeat(8, 1, 1, 1)
    augment = Augment(rotate=45, shift=0.1, erase=0.5, mixup=0.4)
    on_cpu = augment.apply(images, (48, 40), generator())
    on_gpu = augment.apply(images.cuda(), (48, 40), generator())
    assert on_gpu.device.type == "cuda"
    # Lighting multiplies a difference of one level by at most its contrast, 1 / (1 - 0.2).
    assert ((on_cpu.int() - on_gpu.cpu().int()).abs() > 3).float().mean() < 0.001
    mixed = [augment.mix(pictures, generator())[0].cpu().int() for pictures in (images, images.cuda())]
    assert (mixed[0] - mixed[1]).abs().max() <= 1
    resized = [Augment.none().apply(p, (48, 40), generator()).cpu().int() for p in (images, images.cuda())]
    assert (resized[0] - resized[1]).abs().max() <= 1


def test_many_blocks_equal_one_picture_at_a_time(monkeypatch):
    images, homographies = changes(3, count=7)
    alone = [resample(images[i : i + 1], homographies[i : i + 1], (48, 40)) for i in range(7)]
    monkeypatch.setattr("drivetrain.data.augment.resample.BLOCK", 3 * 48 * 40)
    assert torch.equal(resample(images, homographies, (48, 40)), torch.cat(alone))


def test_none_gives_the_same_tensor_back_and_draws_nothing():
    images, source = noise(), generator()
    before = source.get_state()
    assert Augment.none().apply(images, (20, 24), source) is images
    assert Augment(probability=0, flip=0).apply(images, (20, 24), source) is images
    assert torch.equal(source.get_state(), before)


def test_larger_store_lands_at_the_size():
    images = picture(64, 64).repeat(5, 1, 1, 1)
    expected = torch.from_numpy(smooth(*places(56, 56)))
    for augment in (Augment.none(), Augment(flip=0, probability=1e-9)):
        changed = augment.apply(images, (56, 56), generator())
        assert changed.shape == (5, 56, 56, 3)
        assert (changed - expected).abs().max() < 3
    assert Augment.photos().apply(images, (56, 56), generator()).shape == (5, 56, 56, 3)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("count", [1, 5])
def test_same_generator_same_bits_and_the_input_untouched(channels, count):
    images = noise(count, channels=channels)
    before = images.clone()
    augment = Augment(shift=0.1, erase=0.5)
    first, second, other = (augment.apply(images, (20, 24), generator(seed)) for seed in (7, 7, 8))
    assert first.dtype == torch.uint8
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    "augment", [Augment(flip=0, rotate=0, zoom=1, warp=0, lighting=0.5), Augment(erase=1)]
)
def test_input_is_untouched_without_geometry(augment):
    still = Augment.from_json({**augment.to_json(), "flip": 0, "rotate": 0, "zoom": 1, "warp": 0})
    images = noise(6)
    before = images.clone()
    assert not torch.equal(still.apply(images, (20, 24), generator()), before)
    assert torch.equal(images, before)


def test_draws_depend_on_the_batch_size_alone():
    states = []
    for augment in (Augment(), Augment.digits(), Augment(erase=1, warp=0)):
        source = generator()
        augment.apply(noise(), (20, 24), source)
        states.append(source.get_state())
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[0], states[2])


def test_flips_come_as_often_as_asked():
    images = noise(2000, 1, 2, 1)
    images[:, :, 0], images[:, :, 1] = 10, 200
    for share in (0.5, 0.2):
        only = Augment(flip=share, rotate=0, zoom=1, warp=0, lighting=0, probability=0)
        flipped = only.apply(images, (1, 2), generator())[:, 0, 0, 0] == 200
        assert flipped.float().mean() == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 2000))


def test_probability_is_the_share_of_pictures_changed():
    images = picture(16, 16).repeat(1000, 1, 1, 1)
    for field in ("rotate", "lighting"):
        off = {"flip": 0, "rotate": 0, "zoom": 1, "warp": 0, "lighting": 0, "probability": 0.75}
        strong = {"rotate": 90, "lighting": 0.5}
        changed = Augment(**{**off, field: strong[field]}).apply(images, (16, 16), generator())
        share = (changed != images).flatten(1).any(1).float().mean()
        assert share == pytest.approx(0.75, abs=0.06)


def test_lighting_keeps_order_black_and_white_and_changes_both_ways():
    draws = np.random.default_rng(0).random((400, DRAWS))
    tables = Augment(lighting=0.4, probability=1)._lighting_tables(draws).astype(int)
    assert (np.diff(tables, axis=1) >= 0).all()
    assert (tables[:, 0] == 0).all()
    assert (tables[:, 255] == 255).all()
    # At the middle grey only brightness acts: sigmoid(logit(0.5 +- 0.5 * 0.4) * contrast).
    assert 160 < tables[:, 128].max() <= 205
    assert 50 <= tables[:, 128].min() < 95
    images = noise(400)
    expected = np.stack([table[image] for table, image in zip(tables, images.numpy())])
    look_up(images, tables.astype(np.uint8))
    assert np.array_equal(images.numpy(), expected)


def test_erase_fills_one_rectangle_of_the_stated_area_with_the_mean():
    images = noise(300, 32, 32)
    only = Augment(flip=0, rotate=0, zoom=1, warp=0, lighting=0, erase=0.5)
    changed = only.apply(images, (32, 32), generator())
    erased = 0
    for before, after in zip(images.float(), changed.float()):
        rows, columns = (before != after).any(-1).nonzero(as_tuple=True)
        if not len(rows):
            continue
        erased += 1
        box = after[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert 0.015 <= box.shape[0] * box.shape[1] / 32**2 <= 0.33
        assert (box == box[0, 0]).all()
        assert (box[0, 0] - before.mean((0, 1))).abs().max() <= 0.51
    assert 120 <= erased <= 180


def test_mix_blends_with_its_partner_by_its_weight():
    images = noise(64, 8, 8)
    mixed, partner, weight = Augment(mixup=0.4).mix(images, generator())
    assert (partner.dtype, weight.dtype, mixed.dtype) == (torch.int64, torch.float32, torch.uint8)
    assert sorted(partner.tolist()) == list(range(64))
    share = weight.view(-1, 1, 1, 1)
    assert (mixed - (share * images + (1 - share) * images[partner])).abs().max() <= 0.501
    assert ((weight >= 0.5) & (weight <= 1)).all()
    again = Augment(mixup=0.4).mix(images, generator())
    assert torch.equal(again[0], mixed)
    assert torch.equal(again[2], weight)


def test_mix_weights_follow_the_folded_beta():
    weight = Augment(mixup=1.0).mix(noise(4000, 1, 1, 1), generator())[2]
    assert weight.mean() == pytest.approx(0.75, abs=0.01)  # Beta(1, 1) is uniform
    assert weight.std() == pytest.approx(0.5 / math.sqrt(12), abs=0.01)
    near_one = Augment(mixup=0.1).mix(noise(4000, 1, 1, 1), generator())[2]
    assert near_one.median() > 0.98


def test_mix_without_mixup_changes_nothing():
    images, source = noise(), generator()
    before = source.get_state()
    same, partner, weight = Augment().mix(images, source)
    assert same is images
    assert partner.tolist() == [0, 1, 2, 3]
    assert weight.tolist() == [1.0] * 4
    assert torch.equal(source.get_state(), before)


def test_batch_of_one():
    images = noise(1)
    assert Augment.photos().apply(images, (20, 24), generator()).shape == images.shape
    mixed, partner, _ = Augment(mixup=0.4).mix(images, generator())
    assert partner.tolist() == [0]
    assert torch.equal(mixed, images)


def test_presets_and_json():
    for name in ("photos", "digits", "none"):
        preset = Augment.from_name(name)
        assert Augment.from_json(json.loads(json.dumps(preset.to_json()))) == preset
    assert Augment.from_name("digits").flip == 0
    with pytest.raises(UsageError, match="photos"):
        Augment.from_name("photo")
    with pytest.raises(UsageError, match="rotate"):
        Augment.from_json({"rotat": 3})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flip", 1.5),
        ("rotate", -1),
        ("zoom", 0.9),
        ("shift", 0.6),
        ("warp", 0.6),
        ("lighting", 1.0),
        ("mixup", -0.1),
        ("probability", math.nan),
        ("erase", "0.5"),
        ("flip", True),
    ],
)
def test_values_out_of_range_are_refused(field, value):
    with pytest.raises(UsageError, match=f"augment {field}"):
        Augment(**{field: value})


@pytest.mark.parametrize("images", [torch.zeros(2, 8, 8, 3), torch.zeros(8, 8, 3, dtype=torch.uint8)])
def test_other_arrays_than_pictures_are_refused(images):
    for call in (
        lambda: Augment().apply(images, (8, 8), generator()),
        lambda: Augment(mixup=1).mix(images, generator()),
    ):
        with pytest.raises(UsageError, match="not pictures"):
            call()
