"""`check`: each planted fault is found and named, a clean folder has none, and simple pictures raise no false alarm."""

import gzip
import io
import os

import numpy as np
import pytest
from pictures import class_folder, huge_png, picture, plant_faults, split_folder
from PIL import Image

from drivetrain.data import split, worker
from drivetrain.data.checks import duplicates
from drivetrain.data.checks import scan as look
from drivetrain.data.checks.labelled_files import IMBALANCE
from drivetrain.data.checks.pictures import check
from drivetrain.data.read import folders as sources
from drivetrain.data.table import from_columns
from drivetrain.errors import DataError
from drivetrain.files import from_json, to_json


def kinds(report):
    return {fault.kind: fault for fault in report.faults}


def real(name):
    if "DRIVETRAIN_DATA" not in os.environ:
        pytest.skip("DRIVETRAIN_DATA is not set")
    return os.path.join(os.environ["DRIVETRAIN_DATA"], name)


def test_a_clean_folder_has_no_faults(tmp_path):
    report = check(sources.image_folder(class_folder(tmp_path / "pets")))
    assert report.faults == ()
    assert report.ok
    assert len(report.bad_rows) == 0
    assert report.counts["classes"] == {"cat": 12, "dog": 10}
    assert report.counts["sizes"] == {
        "different": 1,
        "smallest": [32, 32],
        "middle": [32, 32],
        "largest": [32, 32],
    }
    assert report.counts["formats"] == {"PNG": 22}
    assert str(report) == "pets: 22 pictures, 2 classes, class folders. No faults found."


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = class_folder(tmp_path_factory.mktemp("planted"))
    told = plant_faults(folder)
    table = sources.image_folder(folder)
    return told, table, check(table)


@pytest.mark.parametrize("kind", ["empty file", "truncated", "not a picture", "too large", "wrong extension"])
def test_each_planted_file_is_found(planted, kind):
    told, _, report = planted
    where = kinds(report)[kind].where
    assert len(where) == len(told[kind])
    for file in told[kind]:
        assert any(file in place.replace(os.sep, "/") for place in where)


def test_each_planted_copy_is_found_and_copies_are_told_once(planted):
    told, _, report = planted
    (conflict,) = kinds(report)["conflict"].where
    exact, near = kinds(report)["duplicate"].where
    for kind, place, sign in (
        ("conflict", conflict, "="),
        ("duplicate", exact, "="),
        ("near duplicate", near, "~"),
    ):
        assert sign in place
        assert all(file in place.replace(os.sep, "/") for file in told[kind])
    assert kinds(report)["duplicate"].message == "Copies, byte for byte (1) or nearly: 2 pictures."


def test_only_what_was_planted_is_told(planted):
    told, table, report = planted
    assert set(kinds(report)) == set(told) - {"names", "near duplicate"}
    unusable = [
        file for kind in ("empty file", "truncated", "not a picture", "too large") for file in told[kind]
    ]
    bad = [os.path.relpath(table["image"][row], table.source).replace(os.sep, "/") for row in report.bad_rows]
    assert sorted(bad) == sorted(unusable)
    severities = {kind: fault.severity for kind, fault in kinds(report).items()}
    assert {kind for kind, severity in severities.items() if severity == "error"} == {
        "empty file", "truncated", "not a picture", "too large", "conflict",
    }  # fmt: skip
    assert not report.ok


def test_the_report_can_be_printed_shown_and_written(planted, tmp_path):
    from rich.console import Console

    _, _, report = planted
    console = Console(width=100, file=io.StringIO())
    with console.capture() as captured:
        report.print(console)
    text = captured.get()
    assert "cat/zero.png" in text.replace(os.sep, "/")
    assert text.count("error") >= 5
    record = from_json(to_json(report.to_json()))
    assert record["ok"] is False
    assert {fault["kind"] for fault in record["faults"]} == set(kinds(report))
    assert "<table>" in report._repr_html_()
    assert '<th scope="col" style="text-align:left">class</th>' in report._repr_html_()
    class_folder(tmp_path, {"<b>": 6, "[red]": 6})
    for row in range(6):
        (tmp_path / "[red]" / f"<i>{row}.png").write_bytes(b"")
    marked = check(sources.image_folder(tmp_path))
    assert "<i>" not in marked._repr_html_()
    assert "and 1 more" in str(marked)
    assert len(kinds(marked)["empty file"].where) == 6
    with console.capture() as captured:
        marked.print(console)
    assert "[red]" in captured.get()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_a_cut_file_of_each_format_is_unusable(tmp_path, form):
    path = tmp_path / f"x.{form.lower()}"
    picture(0, (64, 64)).save(path)
    whole = path.read_bytes()
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        _, problems = look.look([str(path)])
        assert problems[0][0] in ("truncated", "unreadable")


def test_a_missing_file_and_label_of_a_csv_name_their_rows(tmp_path):
    class_folder(tmp_path, {"p": 5})
    (tmp_path / "labels.csv").write_text(
        "file,label\n000.png,a\n001.png,b\n002.png,\ngone.png,a\n003.png,b\n004.png,a\n"
    )
    report = check(sources.image_folder(tmp_path))
    assert report.bad_rows.tolist() == [2, 3]
    assert kinds(report)["missing file"].where == ["gone.png (labels.csv, row 5)"]
    assert "labels.csv, row 4" in kinds(report)["missing label"].where[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert look.look([str(tmp_path / "pipe.png")])[1] == {0: ("unreadable", "this is not a regular file")}


def test_a_leak_names_both_files_and_is_told_by_the_split_column(tmp_path):
    folder = split_folder(tmp_path)
    table = sources.image_folder(folder)
    assert check(table).faults == ()
    (folder / "valid" / "cat" / "seen.png").write_bytes((folder / "train" / "cat" / "003.png").read_bytes())
    with Image.open(folder / "train" / "dog" / "001.png") as original:
        original.resize((64, 64)).save(folder / "valid" / "dog" / "larger.png")
    report = check(sources.image_folder(folder))
    leak = kinds(report)["leak"]
    assert leak.severity == "error"
    assert [place.replace(os.sep, "/") for place in leak.where] == [
        "train: train/cat/003.png = valid: valid/cat/seen.png",
        "train: train/dog/001.png ~ valid: valid/dog/larger.png",
    ]
    assert leak.message == "Leak: the same picture in train and valid, 2 times (1 of them nearly)."
    assert "--drop-copies" in leak.fix
    assert "duplicate" not in kinds(report)
    (folder / "valid" / "cat" / "seen.png").unlink()
    (near,) = check(sources.image_folder(folder)).faults
    assert (near.kind, near.severity) == ("near leak", "warning")
    assert near.message == "Leak: nearly the same picture in train and valid, once."


def test_a_leak_is_one_only_where_the_split_parts_the_copies(tmp_path):
    folder = class_folder(tmp_path)
    (folder / "cat" / "copy.png").write_bytes((folder / "cat" / "000.png").read_bytes())
    table = sources.image_folder(folder)
    copies = [0, table["image"].tolist().index(str(folder / "cat" / "copy.png"))]
    others = np.setdiff1d(np.arange(len(table)), copies)
    none = np.array([], np.int64)
    together = split.Split(np.append(others[::2], copies), others[1::2], none)
    apart = split.Split(np.append(others[::2], copies[0]), np.append(others[1::2], copies[1]), none)
    assert set(kinds(check(table, together))) == {"duplicate"}
    assert set(kinds(check(table, apart))) == {"leak"}


def test_classes(tmp_path):
    one = check(sources.image_folder(class_folder(tmp_path / "one", {"cat": 3})))
    assert kinds(one)["one class"].severity == "error"
    assert "'cat'" in kinds(one)["one class"].message
    few = kinds(check(sources.image_folder(class_folder(tmp_path / "few", {"cat": 3, "dog": 1}))))
    assert set(few) == {"class of one picture"}
    assert few["class of one picture"].where == ["dog"]
    even = class_folder(tmp_path / "even", {"cat": 2 * IMBALANCE, "dog": 2})
    assert check(sources.image_folder(even)).faults == ()
    odd = class_folder(tmp_path / "odd", {"cat": 2 * IMBALANCE + 1, "dog": 2})
    assert set(kinds(check(sources.image_folder(odd)))) == {"imbalance"}


def test_classes_of_the_parts(tmp_path):
    folder = split_folder(tmp_path, {"train": {"a": 3, "b": 3}, "valid": {"a": 3, "c": 2}})
    found = kinds(check(sources.image_folder(folder)))
    assert found["class not in train"].where == ["c"]
    assert found["class not in train"].severity == "error"
    assert found["class not in valid"].where == ["b"]


def test_odd_sizes_and_notes(tmp_path):
    folder = class_folder(tmp_path, {"a": 6, "b": 6}, size=(200, 180))
    picture(0, (8, 8)).save(folder / "a" / "icon.png")
    picture(0, (40, 400)).save(folder / "b" / "rule.png")
    (folder / "c").mkdir()
    found = kinds(check(sources.image_folder(folder)))
    assert set(found) == {"tiny picture", "narrow picture", "left out"}
    assert found["tiny picture"].where[0].endswith("icon.png: 8 x 8")
    assert found["narrow picture"].where[0].endswith("rule.png: 400 x 40")


def test_pictures_in_memory_and_tables_without_classes():
    generator = np.random.default_rng(0)
    arrays = [generator.integers(0, 256, (20, 20), np.uint8) for _ in range(4)]
    report = check(from_columns({"image": [*arrays, arrays[1]], "label": ["a", "b", "a", "b", "a"]}))
    assert kinds(report)["conflict"].where == ["b: table, row 2 = a: table, row 5"]
    assert check(from_columns({"image": arrays, "label": [0.1, 0.2, 0.3, 0.4]})).faults == ()
    assert check(from_columns({"image": arrays})).faults == ()


def test_progress_tells_every_picture(tmp_path):
    told = []
    check(
        sources.image_folder(class_folder(tmp_path)), progress=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (22, 22)
    assert told == sorted(told)


@pytest.mark.parametrize(("small", "from_"), [(0, 10**9), (10**9, 10**9), (10**9, 1)])
def test_threads_one_thread_and_processes_see_the_same(tmp_path, monkeypatch, small, from_):
    folder = class_folder(tmp_path, {"a": 70, "b": 70}, size=(8, 8))
    plant_faults(folder)
    files = sources.image_files(folder)
    expected, problems = look.look_chunk(files)
    monkeypatch.setattr(look, "SMALL_FILE", small)
    monkeypatch.setattr(look, "PROCESSES_FROM", from_)
    seen, found = look.look(files, workers=2)
    assert seen.tobytes() == expected.tobytes()
    assert found == problems


def test_what_progress_raises_ends_the_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(look, "PROCESSES_FROM", 1)
    started = []
    start = worker.subprocess.Popen

    def popen(*arguments, **options):
        started.append(start(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(worker.subprocess, "Popen", popen)

    def stop(done, total):
        raise KeyboardInterrupt

    files = sources.image_files(class_folder(tmp_path, {"a": 300}, size=(8, 8)))
    with pytest.raises(KeyboardInterrupt) as caught:
        look.look(files, workers=2, progress=stop)
    assert caught.traceback  # Held, so that nothing is closed merely because it was forgotten.
    assert len(started) == 2
    assert all(process.returncode is not None for process in started)


def test_a_process_that_stops_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(look, "PROCESSES_FROM", 1)
    monkeypatch.setattr(
        worker.sys, "executable", "/bin/false" if os.path.exists("/bin/false") else "/usr/bin/false"
    )
    files = sources.image_files(class_folder(tmp_path, {"a": 4}, size=(8, 8)))
    with pytest.raises(DataError, match="stopped"):
        look.look(files, workers=2)


def test_near_groups_of_photographs_and_their_copies():
    paths = sources.image_files(real("hymenoptera_ants_bees"))[::8]
    copies = []
    for path in paths:
        with Image.open(path) as photo:
            half = photo.convert("RGB").resize((photo.width // 2, photo.height // 2))
            copies.append(np.asarray(half))
    seen, problems = look.look([*paths, *copies])
    assert problems == {}
    groups = duplicates.near_groups(seen, np.arange(len(seen)))
    assert groups == [[row, row + len(paths)] for row in range(len(paths))]


@pytest.mark.parametrize("contrast", [0, 1])
def test_pictures_without_contrast_are_not_called_alike(contrast):
    generator = np.random.default_rng(0)
    flat = [
        np.full((20, 20, 3), level, np.uint8)
        + generator.integers(0, contrast + 1, (20, 20, 3)).astype(np.uint8)
        for level in range(50, 80)
    ]
    seen, _ = look.look(flat)
    assert duplicates.near_groups(seen, np.arange(len(seen))) == []


def test_the_short_cut_of_near_groups_loses_nothing():
    """Blocks of 4 x 4 may only rule out what the full comparison would refuse."""
    generator = np.random.default_rng(1)
    base = [np.asarray(picture(kind % 5, (40, 40), generator)) for kind in range(40)]
    noisy = [
        np.clip(array + generator.normal(0, 1 + row / 2, array.shape), 0, 255).astype(np.uint8)
        for row, array in enumerate(base)
    ]
    seen, _ = look.look([*base, *noisy])
    rows = np.arange(len(seen))
    every = np.stack(np.triu_indices(len(rows), 1), axis=1)
    alike = every[duplicates._correlations(seen["thumb"], every) >= duplicates.CORRELATION]
    coarse = duplicates._coarse(seen["thumb"], rows)
    apart = np.square(coarse[alike[:, 0]] - coarse[alike[:, 1]]).sum(axis=1)
    assert len(alike) > 5
    assert (apart <= 2 * (1 - duplicates.CORRELATION) + 1e-5).all()
    blocky = np.zeros(2, look.SEEN)
    blocky["thumb"] = generator.integers(0, 256, (2, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    one, other = duplicates._coarse(blocky["thumb"], np.arange(2))
    (correlation,) = duplicates._correlations(blocky["thumb"], np.array([[0, 1]]))
    assert np.square(one - other).sum() == pytest.approx(2 - 2 * correlation, rel=1e-5)
    connected = {row for group in duplicates.near_groups(seen, rows) for row in group}
    assert connected <= set(alike.ravel().tolist())
    assert len(connected) >= 0.9 * len(set(alike.ravel().tolist()))


def test_a_chain_of_pairs_becomes_one_group_led_by_its_first():
    leader = np.arange(10)
    duplicates._join(leader, np.array([[7, 4], [1, 2], [2, 4], [8, 9]]))
    assert leader.tolist() == [0, 1, 1, 3, 1, 5, 6, 1, 8, 8]


def test_digits_raise_no_false_alarm():
    datasets = pytest.importorskip("sklearn.datasets")
    images = datasets.load_digits().images
    seen, _ = look.look([(image * (255 / 16)).astype(np.uint8) for image in images])
    rows = np.arange(len(seen))
    assert duplicates.exact_groups(seen, rows) == []
    assert duplicates.near_groups(seen, rows) == []


@pytest.mark.slow
def test_fashion_raises_hardly_any_alarm():
    with gzip.open(os.path.join(real("fashion_mnist"), "t10k-images-idx3-ubyte.gz")) as handle:
        images = np.frombuffer(handle.read()[16:], np.uint8).reshape(-1, 28, 28)
    seen, _ = look.look(list(images), workers=1)
    assert len(duplicates.near_groups(seen, np.arange(len(seen)))) <= 10


def test_a_crowd_of_nearly_equal_pictures_is_not_compared_pair_by_pair(monkeypatch):
    generator = np.random.default_rng(0)
    one = np.asarray(picture(1, (16, 16)))
    crowd = [np.clip(one + generator.integers(0, 2, one.shape), 0, 255).astype(np.uint8) for _ in range(2000)]
    seen, _ = look.look(crowd, workers=1)
    compared = []
    correlations = duplicates._correlations
    monkeypatch.setattr(
        duplicates, "_correlations", lambda *given: compared.append(len(given[1])) or correlations(*given)
    )
    (group,) = duplicates.near_groups(seen, np.arange(len(seen)))
    assert len(group) > 1900
    assert sum(compared) < 10 * len(crowd)


def test_real_folders_have_no_unreadable_picture():
    photos = check(sources.image_folder(real("hymenoptera_ants_bees")))
    assert (photos.ok, len(photos.bad_rows), photos.counts["rows"]) == (True, 0, 397)
    faces = check(sources.image_folder(real("orl_faces_small")))
    assert (faces.ok, len(faces.bad_rows), len(faces.counts["classes"])) == (True, 0, 40)
    assert "near leak" not in kinds(photos)


def test_a_bomb_is_refused_by_its_header():
    assert look.look([huge_png()])[1][0][0] == "too large"


def test_check_does_not_need_torch():
    import subprocess
    import sys

    code = "import sys, drivetrain.data.checks.pictures, drivetrain.data.read.folders; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
