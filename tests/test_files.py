"""Files that are whole or absent, what killed processes leave, and what is no regular file."""

import errno
import io
import os
import subprocess
import sys
import threading

import pytest

from drivetrain import files
from drivetrain.errors import FileError
from drivetrain.files import from_json, open_regular, to_json, write_bytes, write_text

WRITER = """
import os, sys, time
from drivetrain.files import atomic_writer
with atomic_writer(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.readline()
"""


def writer(path):
    """A process that is writing `path`, and goes on when it is sent a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "writing\n"
    return process


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["answers.csv", "x" * 255, "\N{SNOWMAN}" * 85, "a [1]*?.csv", "two\nlines"])
def test_a_file_of_any_name_is_written_and_nothing_stays_beside_it(tmp_path, name):
    write_bytes(tmp_path / name, b"old")
    write_bytes(tmp_path / name, b"new")
    assert (tmp_path / name).read_bytes() == b"new"
    assert names(tmp_path) == [name]


@pytest.mark.skipif(os.name != "posix", reason="pipes with names")
def test_no_file_takes_the_place_of_a_pipe_or_a_device(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(FileError, match="a device or a pipe"):
            write_bytes(tmp_path / name, b"new")
        with pytest.raises(FileError, match="a device or a pipe"):
            files.refuse_taken(tmp_path / name, force=True)
    assert names(tmp_path) == ["link", "pipe"]
    for name in ("", f"{tmp_path}/new/"):
        with pytest.raises(FileError, match="names no file"):
            write_bytes(name, b"new")


def test_what_a_killed_writer_left_goes_with_the_next_write_and_what_others_write_stays(tmp_path):
    killed, alive = writer(tmp_path / "step-1.safetensors"), writer(tmp_path / "step-2.safetensors")
    mine = [".notes.tmp", ".x.drivetrain-01234567.tmp.bak", "x.drivetrain-01234567.tmp"]
    for name in mine:
        (tmp_path / name).write_bytes(b"mine")
    try:
        killed.kill()
        killed.communicate()
        assert len(names(tmp_path)) == 5
        write_bytes(tmp_path / "step-3.safetensors", b"whole")
        left = [name for name in names(tmp_path) if name not in mine]
        assert len(left) == 2
        assert left[0].startswith(".step-2.safetensors.drivetrain-")
        alive.communicate("go on\n")
        assert alive.returncode == 0
    finally:
        alive.kill()
        alive.communicate()
    assert sorted(set(names(tmp_path)) - set(mine)) == ["step-2.safetensors", "step-3.safetensors"]


def test_many_write_the_same_file_at_once(tmp_path):
    faults = []

    def write(number):
        try:
            for _ in range(30):
                write_bytes(tmp_path / "seen", bytes([number]) * 1000)
        except FileError as fault:
            faults.append(fault)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert names(tmp_path) == ["seen"]
    assert len(set((tmp_path / "seen").read_bytes())) == 1


def test_where_there_are_no_locks_only_what_is_old_goes(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(files.fcntl, "flock", no_locks)
    old, new = (tmp_path / f".a.drivetrain-{sign * 8}.tmp" for sign in "01")
    old.mkdir()
    for path in (old / "array.npy", new):
        path.write_bytes(b"rows")
    for path in (old / "array.npy", old):
        os.utime(path, (1, 1))
    write_bytes(tmp_path / "a", b"whole")
    assert names(tmp_path) == [new.name, "a"]


@pytest.mark.parametrize("call", ["fsync", "replace", "write"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, call, code):
    write_bytes(tmp_path / "a", b"old")

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    class Full(io.FileIO):
        write = refuse

    with monkeypatch.context() as patch:
        if call == "write":
            patch.setattr(
                files, "open", lambda handle, *_, **options: Full(handle, "wb", **options), raising=False
            )
        else:
            patch.setattr(os, call, refuse)
        with pytest.raises(FileError, match=r"no space|rror"):
            write_bytes(tmp_path / "a", b"new")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("name", "words"),
    [("/dev/zero", "not a regular file"), ("pipe", "not a regular file"), (".", "a folder"), ("a\0b", "not a path"),
     ("\ud800", "not a path"), ("large", "larger than 1 MB"), ("absent", "no such file")],
)  # fmt: skip
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, name, words):
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "large", "wb") as file:
        file.truncate((1 << 20) + 1)
    with pytest.raises(FileError, match=words):
        open_regular(os.path.join(tmp_path, name), most=1 << 20)


def test_a_name_that_is_no_utf_8_is_escaped(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    write_text(tmp_path / "a", name)
    assert (tmp_path / "a").read_bytes() == rb"caf\udce9"
    assert to_json({"name": name}).isascii()
    assert from_json(to_json({"name": name, "é": 1})) == {"name": name, "é": 1}
