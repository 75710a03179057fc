"""Windows of series are places in one array: none is copied before its batch, and none sees what comes after it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drivetrain.data.dataset import Part
from drivetrain.data.loader import to_tensors
from drivetrain.errors import UsageError
from drivetrain.windows import make_windows

SIZES = [7, 3, 0, 12]
MOMENTS = np.arange(2 * sum(SIZES), dtype=np.float32).reshape(-1, 2)


def test_every_window_is_of_one_series_and_in_its_order():
    windows = make_windows(MOMENTS, SIZES, length=4, horizon=1, step=2)
    assert windows.series.tolist() == [0, 0, 3, 3, 3, 3]
    assert windows.starts.tolist() == [0, 2, 10, 12, 14, 16]
    gathered = windows.gather()
    assert gathered.shape == (6, 4, 2)
    for window, start in zip(gathered, windows.starts):
        assert window.tolist() == MOMENTS[start : start + 4].tolist()
    assert windows.gather(np.array([5, 0])).tolist() == gathered[[5, 0]].tolist()


def test_no_window_looks_ahead():
    """What comes from a window's origin on may change as it will: the window is the same."""
    windows = make_windows(MOMENTS, SIZES, length=3, horizon=2)
    following = windows.following(2)
    ends = np.cumsum(SIZES)
    for place in range(len(windows)):
        origin = windows.origins[place]
        changed = MOMENTS.copy()
        changed[origin:] = np.nan
        again = make_windows(changed, SIZES, length=3, horizon=2)
        assert not np.isnan(again.gather(np.array([place]))).any()
        assert np.isnan(again.following(2).gather(np.array([place]))).all()
        assert following.starts[place] == origin
        assert origin + 2 <= ends[windows.series[place]]


def test_nothing_is_copied_before_a_batch():
    values = np.zeros((200_000, 3), np.float32)
    windows = make_windows(values, [150_000, 50_000], length=1_000, horizon=24)
    some = windows[np.arange(0, len(windows), 7)]
    for each in (windows, some, windows.following(24)):
        assert np.shares_memory(each.values, values)
    assert len(windows) * 1_000 * 12 > 2e9
    assert windows.series.nbytes + windows.starts.nbytes < 4e6
    batch = some.gather(np.arange(5))
    assert batch.shape == (5, 1_000, 3)
    assert not np.shares_memory(batch, values)


def test_the_loader_gathers_windows_by_position():
    windows = make_windows(MOMENTS, SIZES, length=4, horizon=1)
    usable = np.array([0, 2, 3, 5])
    part = Part({"past": windows, "next": windows.following(1)}, usable, usable)
    tensors = to_tensors(part, torch.device("cpu"))
    assert tensors.arrays["past"].values.data_ptr() == MOMENTS.ctypes.data
    assert tensors.lengths is None
    batch = tensors.gather(torch.tensor([3, 1]))
    assert [*batch] == ["past", "next"]
    np.testing.assert_array_equal(batch["past"], windows.gather(usable[[3, 1]]))
    np.testing.assert_array_equal(batch["next"], windows.following(1).gather(usable[[3, 1]]))
    np.testing.assert_array_equal(np.asarray(part.column("past")), windows.gather(usable))
    other = Part({**part.arrays, "past": make_windows(MOMENTS + 1, SIZES, 4, 1)}, usable, usable)
    assert part.digest == Part(part.arrays, usable, usable).digest != other.digest


@pytest.mark.parametrize(
    "given", [(SIZES, 0, 0, 1), (SIZES, 2, -1, 1), (SIZES, 2, 0, 0), ([5, 5], 2, 0, 1), ([-1, 23], 2, 0, 1)]
)
def test_windows_that_can_not_be_are_refused(given):
    with pytest.raises(UsageError):
        make_windows(MOMENTS, *given)


def test_a_series_that_is_too_short_has_no_window():
    assert make_windows(MOMENTS, SIZES, length=12).series.tolist() == [3]
    assert make_windows(MOMENTS, SIZES, length=40).gather().shape == (0, 40, 2)
