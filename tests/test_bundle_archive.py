"""The container: every byte counts, and nothing but the canonical layout is read."""

from __future__ import annotations

import io
import os
import random
import stat
import zipfile

import bundle_examples as examples
import pytest

from drivetrain.bundle import open_bundle, open_bundle_bytes
from drivetrain.bundle.archive import MANIFEST, MANIFEST_HASH, read_zip, write_zip
from drivetrain.bundle.manifest import FORMAT
from drivetrain.errors import BundleError, FileError
from drivetrain.files import from_json, sha256, to_json


def unpacked(folder, data=None):
    with zipfile.ZipFile(io.BytesIO(data or examples.image_bundle())) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.slow
def test_random_bit_flips_are_all_refused():
    data = bytearray(examples.image_bundle())
    chance = random.Random(20260101)
    accepted = []
    for _ in range(10_000):
        place, bit = chance.randrange(len(data)), 1 << chance.randrange(8)
        data[place] ^= bit
        try:
            open_bundle_bytes(bytes(data))
            accepted.append((place, bit))
        except BundleError:
            pass
        data[place] ^= bit
    assert accepted == []
    assert open_bundle_bytes(bytes(data)).name == "animals"


def test_every_bit_of_the_structure_counts():
    """All bits outside the members' content: local headers, directory, end."""
    data = examples.house_bundle()
    content = set()
    for view in read_zip(data).values():
        start = data.index(bytes(view))
        content.update(range(start, start + len(view)))
    structure = [place for place in range(len(data)) if place not in content]
    assert len(structure) > 24 * (30 + 46)
    flipped = bytearray(data)
    for place in structure:
        bit = 1 << place % 8
        flipped[place] ^= bit
        with pytest.raises(BundleError):
            read_zip(bytes(flipped))
        flipped[place] ^= bit


def test_a_change_is_refused_though_the_zip_is_right():
    """Checksums of the zip made right again: then the hashes of the manifest refuse it, for every member."""
    members = {name: bytes(view) for name, view in read_zip(examples.image_bundle()).items()}
    for name, body in members.items():
        changed = bytearray(body)
        changed[len(body) // 2] ^= 4
        with pytest.raises(BundleError):
            open_bundle_bytes(write_zip({**members, name: bytes(changed)}))


@pytest.mark.parametrize("end", [0, 1, 22, 100, -1, -22, -23, -500])
def test_a_cut_file_is_refused(end):
    with pytest.raises(BundleError):
        open_bundle_bytes(examples.image_bundle()[:end])


@pytest.mark.parametrize(("before", "after"), [(b"", b"x"), (b"x", b""), (b"", bytes(22)), (b"MZ" * 50, b"")])
def test_anything_before_or_after_is_refused(before, after):
    with pytest.raises(BundleError):
        open_bundle_bytes(before + examples.image_bundle() + after)


def test_a_second_bundle_after_the_first_is_refused():
    with pytest.raises(BundleError):
        open_bundle_bytes(examples.image_bundle() + examples.house_bundle())


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/passwd",
        "golden/../../evil",
        "C:\\evil",
        "golden\\0000.image.raw",
        "evil.py",
        "Model.onnx",
    ],
)
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(BundleError, match="member"):
        open_bundle_bytes(examples.altered(examples.image_bundle(), {name: b"x"}))


def test_a_compressed_member_is_refused():
    with pytest.raises(BundleError, match="compressed"):
        open_bundle_bytes(examples.rezipped(examples.image_bundle(), zipfile.ZIP_DEFLATED))


def test_another_layout_of_the_same_members_is_refused():
    with pytest.raises(BundleError):
        open_bundle_bytes(examples.rezipped(examples.image_bundle()))


def test_members_in_another_order_are_refused(monkeypatch):
    members = {name: bytes(view) for name, view in read_zip(examples.house_bundle()).items()}
    monkeypatch.setattr("drivetrain.bundle.archive._order", lambda name: name)
    data = write_zip(members)
    monkeypatch.undo()
    with pytest.raises(BundleError, match="order"):
        open_bundle_bytes(data)


def crafted(change):
    """A zip of two stored members, with what `change(info)` sets in the directory for the second."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("manifest.json", "model.onnx"):
            archive.writestr(name, b"{}")
        for info in archive.infolist():
            info.external_attr = 0
        change(archive.infolist()[1])
    return buffer.getvalue()


def test_a_link_is_refused():
    def link(info):
        info.create_system = 3
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    with pytest.raises(BundleError, match="link"):
        read_zip(crafted(link))


def test_extra_fields_and_comments_are_refused():
    with pytest.raises(BundleError, match="extra fields or a comment"):
        read_zip(crafted(lambda info: setattr(info, "comment", b"hello")))
    with pytest.raises(BundleError, match="extra fields or a comment"):
        read_zip(crafted(lambda info: setattr(info, "extra", b"\x99\x99\x00\x00")))


def test_an_encrypted_member_is_refused():
    data = bytearray(examples.image_bundle())
    place = data.rindex(b"PK\x01\x02")
    data[place + 8] |= 1
    with pytest.raises(BundleError, match="encrypted"):
        read_zip(bytes(data))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_duplicate_member_is_refused(monkeypatch):
    class Twice(dict):
        def __iter__(self):
            return iter([*super().__iter__(), "model.onnx"])

    members = Twice({name: bytes(view) for name, view in read_zip(examples.house_bundle()).items()})
    with pytest.raises(BundleError, match="twice"):
        open_bundle_bytes(write_zip(members))


def test_members_that_overlap_are_refused():
    """Two directory entries for the same bytes: the zip bomb that needs no nesting."""
    data = examples.house_bundle()
    start = int.from_bytes(data[-6:-2], "little")
    entry = data[start : start + 46 + len(MANIFEST)]
    directory = data[start:-22] + entry
    count = (int.from_bytes(data[-14:-12], "little") + 1).to_bytes(2, "little")
    end = b"PK\x05\x06" + bytes(4) + count * 2 + len(directory).to_bytes(4, "little") + data[-6:]
    with pytest.raises(BundleError):
        read_zip(data[:start] + directory + end)


def test_a_missing_or_extra_member_is_refused():
    data = examples.image_bundle()
    for name in ("model.onnx", "README.md", "golden/encoded.image.npy", "golden/0003.image.raw"):
        with pytest.raises(BundleError, match=r"missing|doesn't list"):
            open_bundle_bytes(examples.altered(data, {name: None}))
    for name in ("golden/0999.image.raw", "golden/output.price.npy"):
        with pytest.raises(BundleError, match="no golden case"):
            open_bundle_bytes(examples.altered(data, {name: b"x"}))
    members = {name: bytes(view) for name, view in read_zip(data).items()}
    with pytest.raises(BundleError, match="doesn't list"):
        open_bundle_bytes(write_zip({**members, "golden/0999.image.raw": b"x"}))


def test_a_newer_format_says_so_whatever_else_it_holds():
    data = examples.altered(examples.image_bundle(), {}, {"format": FORMAT + 1})
    with pytest.raises(BundleError, match=rf"format {FORMAT + 1}.*Install a newer") as caught:
        open_bundle_bytes(data, "here.bundle")
    assert caught.value.where.startswith("here.bundle")
    with pytest.raises(BundleError, match=f"format {FORMAT + 1}"):
        open_bundle_bytes(newer_layout())


def newer_layout():
    """A format that this reader knows nothing about but where its number is."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("manifest.json", to_json({"format": FORMAT + 1, "pieces": []}))
        archive.writestr("graphs/main.bin", b"?")
    return buffer.getvalue()


@pytest.mark.parametrize("version", [0, -1, "1", 1.0, None, True])
def test_a_format_that_is_none_is_refused(version):
    with pytest.raises(BundleError):
        open_bundle_bytes(examples.altered(examples.image_bundle(), {}, {"format": version}))


def test_python_reads_what_we_write():
    with zipfile.ZipFile(io.BytesIO(examples.image_bundle())) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[:2] == [MANIFEST, MANIFEST_HASH]
        manifest = archive.read(MANIFEST)
        assert archive.read(MANIFEST_HASH).decode() == sha256(manifest) + "\n"
        for name, facts in from_json(manifest)["members"].items():
            assert sha256(archive.read(name)) == facts["sha256"]


def test_a_folder_is_read_as_the_file_is(tmp_path):
    folder = unpacked(tmp_path / "animals")
    assert open_bundle(folder).hash == open_bundle_bytes(examples.image_bundle()).hash


def test_a_folder_with_more_or_less_is_refused(tmp_path):
    folder = unpacked(tmp_path / "animals")
    (folder / ".DS_Store").write_bytes(b"x")
    with pytest.raises(BundleError, match="DS_Store"):
        open_bundle(folder)
    (folder / ".DS_Store").unlink()
    (folder / "golden" / "golden").mkdir()
    with pytest.raises(BundleError, match="not a member"):
        open_bundle(folder)
    (folder / "golden" / "golden").rmdir()
    (folder / "profile.json").unlink()
    with pytest.raises(BundleError, match="missing"):
        open_bundle(folder)


@pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")
def test_links_and_pipes_are_refused(tmp_path):
    folder = unpacked(tmp_path / "animals")
    card = folder / "README.md"
    card.rename(tmp_path / "elsewhere.md")
    card.symlink_to(tmp_path / "elsewhere.md")
    with pytest.raises(BundleError, match="there is a link"):
        open_bundle(folder)
    card.unlink()
    os.mkfifo(card)
    with pytest.raises(BundleError, match="not a member"):
        open_bundle(folder)
    os.mkfifo(tmp_path / "pipe.bundle")
    with pytest.raises(FileError, match="not a regular file"):
        open_bundle(tmp_path / "pipe.bundle")


def test_a_missing_file_and_other_files_are_refused(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        open_bundle(tmp_path / "nothing.bundle")
    (tmp_path / "text.bundle").write_text("hello")
    with pytest.raises(BundleError, match="not a bundle"):
        open_bundle(tmp_path / "text.bundle")
    (tmp_path / "empty.bundle").write_bytes(b"")
    with pytest.raises(BundleError, match="not a bundle"):
        open_bundle(tmp_path / "empty.bundle")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match="no bundle"):
        open_bundle(tmp_path / "empty")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (True, r"this is a run, not a bundle. Run: drivetrain export '.*my pictures' MODEL.bundle"),
        (False, "this folder is no bundle: it has no manifest.json"),
    ],
)
def test_a_folder_that_is_no_bundle_is_not_to_be_emptied(tmp_path, config, words):
    folder = tmp_path / "my pictures"
    (folder / ".git").mkdir(parents=True)
    (folder / "checkpoints").mkdir()
    (folder / "cat.png").write_bytes(b"x")
    if config:
        (folder / "config.toml").write_text("format = 1")
    with pytest.raises(BundleError, match=words) as caught:
        open_bundle(folder)
    assert "emove" not in str(caught.value)


def test_an_address_is_no_file(tmp_path):
    with pytest.raises(
        BundleError, match=r"http://127.0.0.1:8000/models/m: this is an address.*'drivetrain predict'"
    ):
        open_bundle("http://127.0.0.1:8000/models/m")


def test_the_size_is_looked_at_before_reading(tmp_path, monkeypatch):
    monkeypatch.setattr("drivetrain.bundle.archive.MOST_BYTES", 1000)
    path = tmp_path / "large.bundle"
    path.write_bytes(examples.image_bundle())
    with pytest.raises(BundleError, match="larger than 1,000 bytes"):
        open_bundle(path)
    with pytest.raises(BundleError, match="larger than"):
        open_bundle(unpacked(tmp_path / "large"))


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("drivetrain.bundle.archive.MOST_MEMBERS", 10)
    with pytest.raises(BundleError, match="more than 10 members"):
        open_bundle_bytes(examples.image_bundle())
    with pytest.raises(BundleError, match="more than 10 members"):
        open_bundle(unpacked(tmp_path / "many"))


WEIRD = (None, -1, 2**70, 1e300, "", "x", [], {}, True, [[]], {"op": "image@1"}, {"op": "number@9"})


def _mutated(value, chance):
    """The JSON value with one part, at random, replaced, removed or renamed."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        rest = {name: part for name, part in value.items() if name != key}
        roll = chance.random()
        return (
            rest
            if roll < 0.1
            else {**rest, "other": value[key]}
            if roll < 0.2
            else {**value, key: _mutated(value[key], chance)}
        )
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        return [*value[:place], _mutated(value[place], chance), *value[place + 1 :]]
    return chance.choice(WEIRD)


def test_hostile_json_with_right_hashes_never_gives_another_error():
    data, chance = examples.house_bundle(), random.Random(5)
    names = ("signature.json", "golden/cases.json", "profile.json")
    refused = 0
    for round_ in range(600):
        name = names[round_ % len(names)]
        changed = to_json(_mutated(from_json(examples.member(data, name)), chance)).encode()
        try:
            open_bundle_bytes(examples.altered(data, {name: changed}))
        except BundleError:
            refused += 1
    for _ in range(200):
        manifest = from_json(examples.member(data, MANIFEST))
        key = chance.choice(sorted(manifest))
        try:
            open_bundle_bytes(examples.altered(data, {}, {key: _mutated(manifest[key], chance)}))
        except BundleError:
            refused += 1
    assert refused > 300


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff", b"[" * 100_000])
def test_json_that_is_none_is_refused(text):
    with pytest.raises(BundleError):
        open_bundle_bytes(examples.altered(examples.image_bundle(), {"profile.json": text}))


@pytest.mark.parametrize("number", [10**400, -(10**400)], ids=["large", "small"])
@pytest.mark.parametrize("field", ["center", "spread", "interval", "tolerance", "answer"])
def test_a_whole_number_beyond_float64_is_refused(field, number):
    data = examples.house_bundle()
    name, manifest = "signature.json", {}
    content = from_json(examples.member(data, name))
    if field == "tolerance":
        manifest = {"tolerances": from_json(examples.member(data, MANIFEST))["tolerances"]}
        manifest["tolerances"]["read"]["area"] = number
    elif field == "answer":
        name = "golden/cases.json"
        content = from_json(examples.member(data, name))
        content["cases"][0]["answer"]["price"]["value"] = number
    else:
        content["targets"]["price"][field] = number
    with pytest.raises(BundleError, match="out of range") as caught:
        open_bundle_bytes(examples.altered(data, {name: to_json(content).encode()}, manifest))
    assert len(str(caught.value)) < 200
