"""TensorBoard's events are beside the run: where they can't be written, training goes on and says so once."""

import errno
import functools
import os
import re
import struct

import pytest

pytest.importorskip("torch")

from tensorboardX import record_writer
from tensorboardX.proto.event_pb2 import Event

from drivetrain.learn.run import Run


class Failing:
    """A file on a disk that is full from the k-th call of `fails` on."""

    fails, left, code = "write", 0, errno.ENOSPC

    def call(self, name):
        if name == Failing.fails:
            Failing.left -= 1
            if Failing.left < 0:
                raise OSError(Failing.code, os.strerror(Failing.code))

    def write(self, data):
        self.call("write")

    def flush(self):
        self.call("flush")

    def close(self):
        self.flush()


def scalars(path):
    data, events = path.read_bytes(), []
    while data:
        (size,) = struct.unpack("<Q", data[:8])
        events.append(Event.FromString(data[12 : 12 + size]))
        data = data[16 + size :]
    assert events[0].file_version == "brain.Event:2"
    return [(event.step, v.tag, v.simple_value) for event in events for v in event.summary.value]


def test_an_epoch_s_decimal_numbers_are_scalars(tmp_path):
    run = Run(tmp_path)
    for epoch in (1, 2):
        assert run.write_events({"epoch": epoch, "train_loss": 0.5 * epoch, "seconds": 2.0}, epoch) == ""
    run.close()
    (path,) = tmp_path.glob("events.out.tfevents.*")
    assert scalars(path) == [
        (1, "train/loss", 0.5), (1, "seconds", 2.0), (2, "train/loss", 1.0), (2, "seconds", 2.0),
    ]  # fmt: skip


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize(("fails", "times"), [("write", 24), ("flush", 3), ("fsync", 3), ("open", 1)])
def test_events_that_cannot_be_written_are_told_once(tmp_path, monkeypatch, code, fails, times):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    for first in range(times):
        monkeypatch.setattr(Failing, "fails", fails)
        monkeypatch.setattr(Failing, "left", first)
        monkeypatch.setattr(Failing, "code", code)
        monkeypatch.setattr(record_writer, "open_file", refuse if fails == "open" else lambda path: Failing())
        if fails == "fsync":
            monkeypatch.setattr(record_writer, "open_file", functools.partial(open, mode="wb"))
            monkeypatch.setattr(os, "fsync", lambda handle: Failing().call("fsync"))
        run = Run(tmp_path)
        told = [run.write_events({"train_loss": 0.5}, epoch) for epoch in range(1, 5)]
        run.close()
        remarks = [remark for remark in told if remark]
        assert len(remarks) == 1, (fails, first, told)
        assert re.search("no more events for TensorBoard.*(no space left|rror)", remarks[0])
        assert str(tmp_path) in remarks[0]


@pytest.mark.slow
def test_training_goes_on_without_events(tmp_path, monkeypatch, capfd):
    from commands import drivetrain
    from pictures import class_folder

    class_folder(tmp_path / "p", {"cat": 8, "dog": 6}, size=(16, 16))

    def refuse(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(record_writer, "open_file", refuse)
    done = drivetrain(
        "train", tmp_path / "p", "--model", "linear", "--epochs", "3", "--no-check", "--out", tmp_path / "run"
    )
    assert done.code == 0, done.err
    assert done.err.count("no more events for TensorBoard") == 1
    assert "Traceback" not in done.err
    assert (tmp_path / "run" / "report.html").exists()
    assert not list((tmp_path / "run").glob("events.*"))
