"""TensorBoard's events are beside the run: where they can't be written, training goes on and says so once."""

import errno
import io
import os
import re
import struct

import pytest

pytest.importorskip("torch")

from tensorboardX.proto.event_pb2 import Event

from drivetrain.learn.runs import folder as run


def scalars(path):
    data, events = path.read_bytes(), []
    while data:
        (size,) = struct.unpack("<Q", data[:8])
        events.append(Event.FromString(data[12 : 12 + size]))
        data = data[16 + size :]
    assert events[0].file_version == "brain.Event:2"
    return [(event.step, v.tag, v.simple_value) for event in events for v in event.summary.value]


def test_an_epoch_s_decimal_numbers_are_scalars(tmp_path):
    kept = run.Run(tmp_path)
    for epoch in (1, 2):
        assert kept.write_events({"epoch": epoch, "train_loss": 0.5 * epoch, "seconds": 2.0}, epoch) == ""
    (path,) = tmp_path.glob("events.out.tfevents.*")
    assert scalars(path) == [
        (1, "train/loss", 0.5), (1, "seconds", 2.0), (2, "train/loss", 1.0), (2, "seconds", 2.0),
    ]  # fmt: skip


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("fails", ["open", "write", "fsync"])
@pytest.mark.parametrize("first", range(3))
def test_events_that_cannot_be_written_are_told_once(tmp_path, monkeypatch, code, fails, first):
    calls = []

    def refuse(*given):
        calls.append(given)
        if len(calls) > first:
            raise OSError(code, os.strerror(code))

    class File(io.FileIO):
        def write(self, data):
            refuse()
            return super().write(data)

    def opened(path, mode):
        if fails == "open":
            refuse()
        return File(path, mode) if fails == "write" else open(path, mode)

    monkeypatch.setattr(run, "open", opened, raising=False)
    if fails == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    kept = run.Run(tmp_path)
    told = [kept.write_events({"train_loss": 0.5}, epoch) for epoch in range(1, 6)]
    assert [bool(remark) for remark in told] == [epoch == first for epoch in range(5)]
    assert re.search("no more events for TensorBoard.*(no space left|rror)", told[first])
    assert str(tmp_path) in told[first]
    assert len(calls) == first + 1


@pytest.mark.slow
def test_training_goes_on_without_events(tmp_path, monkeypatch, capfd):
    from commands import drivetrain
    from pictures import class_folder

    class_folder(tmp_path / "p", {"cat": 8, "dog": 6}, size=(16, 16))

    def refuse(path, mode):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run, "open", refuse, raising=False)
    done = drivetrain(
        "train", tmp_path / "p", "--model", "linear", "--epochs", "3", "--no-check", "--out", tmp_path / "run"
    )
    assert done.code == 0, done.err
    assert done.err.count("no more events for TensorBoard") == 1
    assert "Traceback" not in done.err
    assert (tmp_path / "run" / "report.html").exists()
    assert not list((tmp_path / "run").glob("events.*"))
