"""Folders of pictures: each layout, what is left out, and what is said when a folder can't be understood."""

import os

import pytest
from pictures import class_folder, picture, plant_faults, split_folder

from drivetrain.data.read import folders as sources
from drivetrain.data.read.file_kinds import PICTURES, SOUNDS
from drivetrain.data.read.named_files import named_files
from drivetrain.errors import DataError, DrivetrainError, FileError, UsageError


def flat(folder, names, table, text, encoding="utf-8"):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(folder / name)
    (folder / table).write_text(text, encoding=encoding)
    return folder


def names_of(table):
    return [os.path.relpath(path, table.source).replace(os.sep, "/") for path in table["image"]]


def test_class_folders(tmp_path):
    folder = class_folder(tmp_path / "pets", {"cat": 2, "dog": 1})
    (folder / "cat" / "deep").mkdir()
    picture(0).save(folder / "cat" / "deep" / "x.png")
    table = sources.image_folder(folder)
    assert names_of(table) == ["cat/000.png", "cat/001.png", "cat/deep/x.png", "dog/000.png"]
    assert table["label"].tolist() == ["cat", "cat", "cat", "dog"]
    assert (table.layout, table.name, table.source, table.notes) == ("class folders", "pets", str(folder), ())
    assert "split" not in table
    assert table.origin(0) == table["image"][0] == str(folder / "cat" / "000.png")


@pytest.mark.parametrize("valid", ["valid", "val", "Validation"])
def test_split_folders(tmp_path, valid):
    folder = split_folder(tmp_path, {"train": {"a": 2, "b": 1}, valid: {"a": 1}, "test": {"b": 1}})
    table = sources.image_folder(folder)
    assert table.layout == "train/valid/test folders"
    assert list(zip(table["split"], table["label"])) == [
        ("train", "a"), ("train", "a"), ("train", "b"), ("valid", "a"), ("test", "b"),
    ]  # fmt: skip


def test_train_and_test_without_valid_is_a_split(tmp_path):
    table = sources.image_folder(split_folder(tmp_path, {"train": {"a": 1, "b": 1}, "test": {"a": 1}}))
    assert sorted(set(table["split"])) == ["test", "train"]


def test_a_class_may_be_called_train(tmp_path):
    table = sources.image_folder(class_folder(tmp_path, {"bus": 1, "train": 2}))
    assert (table.layout, table["label"].tolist()) == ("class folders", ["bus", "train", "train"])


def test_two_folders_for_one_part_are_refused(tmp_path):
    folder = split_folder(tmp_path, {"train": {"a": 1}, "val": {"a": 1}, "validation": {"a": 1}})
    with pytest.raises(DataError, match="more than one folder for the valid part"):
        sources.image_folder(folder)


def test_csv_of_file_and_label(tmp_path):
    text = "\ufefffile,label\r\na.png,cat\r\nsub/b.png,dog\r\n\r\nc,cat\r\n"
    table = sources.image_folder(flat(tmp_path, ["a.png", "sub/b.png", "c.jpg"], "labels.csv", text))
    assert table.layout == "CSV of file and label"
    assert list(zip(names_of(table), table["label"])) == [
        ("a.png", "cat"),
        ("sub/b.png", "dog"),
        ("c.jpg", "cat"),
    ]
    assert [table.origin(row) for row in range(3)] == [
        "labels.csv, row 2",
        "labels.csv, row 3",
        "labels.csv, row 5",
    ]


def test_the_mark_before_the_first_header_is_no_part_of_it(tmp_path):
    text = "\ufefflabel,note,file\ncat,x,a.png\ndog,y,b.png\n"
    table = sources.image_folder(flat(tmp_path, ["a.png", "b.png"], "labels.csv", text))
    assert table["label"].tolist() == ["cat", "dog"]


def test_csv_columns_are_found_by_values_and_names(tmp_path):
    text = "id;breed;photo;set;width\n1;x;a.png;training;4\n2;y;b.png;VAL;5\n3;x;c.png;test;6\n"
    table = sources.image_folder(flat(tmp_path, ["a.png", "b.png", "c.png"], "index.csv", text))
    assert table["label"].tolist() == ["x", "y", "x"]
    assert table["split"].tolist() == ["train", "valid", "test"]


def test_tsv_with_labels_that_look_like_files(tmp_path):
    table = sources.image_folder(
        flat(tmp_path, ["1.png", "2.png"], "t.tsv", "what\twhich\n2\t1.png\n1\t2.png\n")
    )
    assert list(zip(names_of(table), table["label"])) == [("1.png", "2"), ("2.png", "1")]


def test_a_csv_row_without_its_file_or_label_is_kept(tmp_path):
    text = "file,label\na.png,cat\ngone.png,dog\nb.png,\n"
    table = sources.image_folder(flat(tmp_path, ["a.png", "b.png"], "labels.csv", text))
    assert names_of(table) == ["a.png", "gone.png", "b.png"]
    assert table["label"].tolist() == ["cat", "dog", ""]
    assert table.origin(1) == "labels.csv, row 3"


def test_pictures_that_the_csv_does_not_name_are_noted(tmp_path):
    folder = flat(tmp_path, ["a.png", "b.png", "c.png"], "labels.csv", "file,label\na.png,x\nb.png,y\n")
    assert sources.image_folder(folder).notes == (
        "1 of the pictures are not named in labels.csv and left out",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "file,label\na,x\nb.png,y\n",
            r"row 2.*'a' may be a.JPG and a.png|row 2.*'a' may be a.png and a.JPG",
        ),
        ("file,one,two\na.png,x,y\nb.png,x,y\n", "which column is the label is not clear: one, two"),
        ("a.png,x\nb.png,y\n", "row 1.*no header"),
        ("file,label\na.png,x\nb.png\n", "row 3.*1 cells and the first has 2"),
        ("file,label,split\na.png,x,train\nb.png,y,vaild\n", "row 3.*'vaild'"),
        ("file\na.png\nb.png\n", "no column of labels"),
        ("file,label\nx.png,1\ny.png,2\n", "no column of labels.csv names pictures"),
        ('file,label\n"a.png,x\n', "row 2: the quotes are wrong"),
        ("\n , \n", "labels.csv: the file is empty. Give it columns file and label"),
        ("", "empty"),
    ],
)
def test_a_csv_that_is_not_clear_names_the_row_or_column(tmp_path, text, said):
    folder = flat(tmp_path, ["a.png", "a.JPG", "b.png"], "labels.csv", text)
    with pytest.raises(DataError, match=said):
        sources.image_folder(folder)


@pytest.mark.parametrize(
    ("encoding", "notes"),
    [("utf-16", ()), ("latin-1", ("labels.csv: not UTF-8 in line 2: read as Windows-1252.",))],
)
def test_a_csv_in_another_encoding_is_read_as_tables_are(tmp_path, encoding, notes):
    text = "file|label\na.png|é\n|\nb.png|x\n"
    table = sources.image_folder(flat(tmp_path, ["a.png", "b.png"], "labels.csv", text, encoding))
    assert table["label"].tolist() == ["é", "x"]
    assert table.origin(1) == "labels.csv, row 4"
    assert len(table.notes) == len(notes)
    assert all(found.startswith(note) for found, note in zip(table.notes, notes))


def test_two_that_fit(tmp_path):
    folder = flat(tmp_path, ["a.png", "b.png"], "labels.csv", "")
    (folder / "labels.csv").write_text("file,label\na.png,x\nb.png,y\n")
    (folder / "other.csv").write_text("file,label\na.png,y\nb.png,x\n")
    with pytest.raises(DataError, match=r"several files label the pictures: labels\.csv, other\.csv"):
        sources.image_folder(folder)
    (folder / "other.csv").write_text("epoch,loss\n1,0.5\n")
    assert sources.image_folder(folder)["label"].tolist() == ["x", "y"]


def test_the_layout_can_be_said(tmp_path):
    folder = split_folder(tmp_path, {"train": {"a": 1, "b": 1}, "valid": {"a": 1}})
    assert sources.image_folder(folder, layout="class folders")["label"].tolist() == [
        "train",
        "train",
        "valid",
    ]
    with pytest.raises(UsageError, match="Did you mean class folders"):
        sources.image_folder(folder, layout="class folder")
    with pytest.raises(DataError, match="no CSV or TSV"):
        sources.image_folder(folder, layout="CSV of file and label")


def test_folders_that_are_none(tmp_path):
    with pytest.raises(FileError, match="no such folder"):
        sources.image_folder(tmp_path / "missing")
    (tmp_path / "file.png").write_bytes(b"")
    with pytest.raises(FileError, match="a file, not a folder"):
        sources.image_folder(tmp_path / "file.png")
    with pytest.raises(FileError, match="a file, not a folder"):
        sources.image_files(tmp_path / "file.png")
    with pytest.raises(FileError, match="no such file or folder"):
        sources.image_files(tmp_path / "missing")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "no pictures"),
        (["cat/notes.txt", "dog/readme.md"], "no pictures"),
        (["a.png", "b.png"], "no class folders and no CSV"),
        (["train/a.png", "valid/b.png"], "train/ holds no class folders"),
    ],
)
def test_folders_without_labelled_pictures(tmp_path, files, said):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DrivetrainError, match=said):
        sources.image_folder(tmp_path)


def test_what_is_hidden_is_skipped_and_what_is_left_out_is_noted(tmp_path):
    folder = class_folder(tmp_path, {"a": 2, "b": 2})
    for name in (".hidden.png", "a/.DS_Store", "a/Thumbs.db", "__MACOSX/a/000.png", ".git/x.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    assert sources.image_folder(folder).notes == ()
    (folder / "empty").mkdir()
    (folder / "a" / "notes.txt").write_text("x")
    picture(0).save(folder / "loose.png")
    (folder / "metadata.csv").write_text("epoch,loss\n1,2\n")
    table = sources.image_folder(folder)
    assert len(table) == 4
    assert table.notes == (
        "not used: metadata.csv",
        "a/: left out, no pictures by name or content: 1",
        "empty/ holds no pictures: it is no class",
        "the top folder: left out, pictures in no class folder: 1",
    )


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_a_picture_is_one_by_its_content_too(tmp_path, form):
    names = ("a/one.jfif", "a/two", "b/three.PNG", "b/four.data")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture(0).save(tmp_path / name, form)
    (tmp_path / "b" / "BMW.txt").write_text("BM" + "x" * 30)
    (tmp_path / "b" / "short").write_bytes(b"BM")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "b" / "pipe")
    table = sources.image_folder(tmp_path)
    assert sorted(names_of(table)) == sorted(names)
    pictures, others = sources.picture_files(tmp_path)
    assert len(pictures) == len(names)
    assert {os.path.basename(path) for path in others} >= {"BMW.txt", "short"}


def test_names_of_every_kind_are_read(tmp_path):
    planted = plant_faults(class_folder(tmp_path))["names"]
    assert len(planted) >= 5
    assert set(planted) <= set(names_of(sources.image_folder(tmp_path)))


@pytest.mark.skipif(
    os.name != "posix" or os.uname().sysname == "Darwin", reason="needs a file system of bytes"
)
def test_names_that_are_no_text_are_read_and_can_be_shown(tmp_path):
    folder = class_folder(tmp_path, {"a": 1, "b": 1})
    picture(0).save(os.fsencode(folder / "a") + b"/\xff.png", "PNG")
    os.rename(folder / "b", os.fsencode(folder) + b"/\xfe")
    table = sources.image_folder(folder)
    assert sum(os.path.exists(path) for path in table["image"]) == 3
    assert "\ufffd" in table["label"].tolist()
    assert all(table.origin(row).encode("utf-8") for row in range(3))


def test_links_are_followed_and_loops_end(tmp_path):
    folder = class_folder(tmp_path / "data", {"a": 2, "b": 1})
    outside = class_folder(tmp_path / "outside", {"c": 1})
    try:
        (folder / "a" / "loop").symlink_to(folder, target_is_directory=True)
        (folder / "c").symlink_to(outside / "c", target_is_directory=True)
        (folder / "b" / "link.png").symlink_to(outside / "c" / "000.png")
        (folder / "b" / "circle").symlink_to(folder / "b" / "circle")
    except OSError:
        pytest.skip("links can't be made here")
    table = sources.image_folder(folder)
    assert list(zip(names_of(table), table["label"])) == [
        ("a/000.png", "a"), ("a/001.png", "a"), ("b/000.png", "b"), ("b/link.png", "b"), ("c/000.png", "c"),
    ]  # fmt: skip


def test_one_name_typed_in_two_ways_is_one_class(tmp_path):
    split_folder(tmp_path, {"train": {"café": 1, "tea": 1}, "valid": {"cafe\u0301": 1}})
    assert sorted(set(sources.image_folder(tmp_path)["label"])) == ["café", "tea"]


def test_two_folders_that_are_one_class_are_noted(tmp_path):
    class_folder(tmp_path, {"cat": 1, "tea": 1})
    (tmp_path / " cat ").mkdir()
    picture(5).save(tmp_path / " cat " / "x.png")
    table = sources.image_folder(tmp_path)
    assert sorted(table["label"]) == ["cat", "cat", "tea"]
    assert table.notes == ("' cat /' and 'cat/' are one class: 'cat'",)


@pytest.mark.parametrize("outer", ["data", "val"])
def test_the_classes_a_level_too_deep_are_pointed_at(tmp_path, outer):
    class_folder(tmp_path / outer, {"cat": 1, "tea": 1})
    with pytest.raises(DataError, match=f"'{outer}' is the only folder") as raised:
        sources.image_folder(tmp_path)
    assert str(tmp_path / outer) in raised.value.fix


@pytest.mark.parametrize(
    ("labels", "noted"),
    [([f"{n / 7:.2f}" for n in range(60)], True), ([str(n % 20) for n in range(60)], False),
     ([f"no. {n}" for n in range(60)], False)],
)  # fmt: skip
def test_labels_that_are_measurements_are_noted(tmp_path, labels, noted):
    names = [f"{n}.png" for n in range(60)]
    rows = "".join(f"{name},{label}\n" for name, label in zip(names, labels))
    table = sources.image_folder(flat(tmp_path, names, "labels.csv", "file,label\n" + rows))
    assert any("'label' in labels.csv holds numbers" in note for note in table.notes) is noted


def test_image_files_and_parent_folder(tmp_path):
    folder = class_folder(tmp_path, {"b": 2, "a": 1})
    (folder / "a" / "x.txt").write_text("x")
    files = sources.image_files(folder)
    assert [sources.parent_folder(file) for file in files] == ["a", "b", "b"]
    assert files == sorted(files)


@pytest.mark.parametrize(
    ("name", "rows", "classes"), [("hymenoptera_ants_bees", 397, 2), ("orl_faces_small", 400, 40)]
)
def test_real_folders(name, rows, classes):
    if "DRIVETRAIN_DATA" not in os.environ:
        pytest.skip("DRIVETRAIN_DATA is not set")
    table = sources.image_folder(os.path.join(os.environ["DRIVETRAIN_DATA"], name))
    assert (len(table), len(set(table["label"])), table.notes) == (rows, classes, ())


def test_names_say_the_class_and_more(tmp_path):
    for number, name in enumerate(["7_theo_0.png", "3_anna_0.png", "7_anna_1.png", "cover.png"]):
        picture(number).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    table = named_files(tmp_path, PICTURES, "(?P<label>[0-9])_(?P<speaker>[a-z]+)_")
    assert list(zip(table["label"], table["speaker"])) == [("3", "anna"), ("7", "anna"), ("7", "theo")]
    assert table.notes == (
        "left out, no pictures by name or content: 1",
        "left out, without the pattern in the name: cover.png",
    )
    assert table.layout == "labels in the names"
    assert named_files(tmp_path, PICTURES, "([0-9])_")["label"].tolist() == ["3", "7", "7"]


@pytest.mark.parametrize(
    ("pattern", "what"),
    [("(", "is no pattern"), ("[0-9]_", "which part is the class"), ("(?P<speaker>[a-z]+)", "which part is the class"),
     ("(?P<label>.)(?P<split>.)", "is called so already"), ("(xyz)", "is found in no name, such as '0.png'")],
)  # fmt: skip
def test_what_is_no_pattern_of_names(tmp_path, pattern, what):
    picture(0).save(tmp_path / "0.png")
    with pytest.raises(DrivetrainError, match=what):
        named_files(tmp_path, PICTURES, pattern)


def test_folders_of_sounds_are_known_by_name_and_content(tmp_path):
    for place in ("yes/a.wav", "yes/b.wav", "no/c.flac", "no/d"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(b"RIFF\0\0\0\0WAVE" if place[-1] == "d" else b"?")
    table = sources.labelled_folder(tmp_path, SOUNDS)
    assert [os.path.basename(path) for path in table["audio"]] == ["c.flac", "d", "a.wav", "b.wav"]
    assert table["label"].tolist() == ["no", "no", "yes", "yes"]
    assert sources.holds_mostly(tmp_path, SOUNDS)
    assert not sources.holds_mostly(tmp_path, PICTURES)
    with pytest.raises(DataError, match="no pictures in the folder"):
        sources.image_folder(tmp_path)


def test_a_csv_beside_sounds_is_named_by_itself(tmp_path):
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "labels.csv").write_text("file,label,speaker\na.wav,yes,anna\nb.wav,no,theo\nc.wav,no,theo\n")
    table = sources.labelled_table(tmp_path / "labels.csv", SOUNDS)
    assert table["label"].tolist() == ["yes", "no", "no"]
    assert table["speaker"].tolist() == ["anna", "theo", "theo"]
    assert table["audio"][2].endswith("c.wav")
    assert table.origin(2) == "labels.csv, row 4"
    with pytest.raises(FileError, match="no such file"):
        sources.labelled_table(tmp_path / "none.csv", SOUNDS)
