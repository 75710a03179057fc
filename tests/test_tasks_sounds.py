"""Sound classification: what a folder, a CSV or names say, what `check` finds, and the way from sounds to a bundle's answers."""

from collections import Counter

import numpy as np
import pytest
from commands import drivetrain
from sounds import RATE, sound_folder, tone, write

import drivetrain as dt
from drivetrain.data.checks.sounds import _guessed, check
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.findings.label_faults import label_faults
from drivetrain.sound.wav import to_wav
from drivetrain.tasks.sounds import read_source

PATTERN = "(?P<label>[a-z]+)_(?P<speaker>[a-z]+)_"


def kinds(report):
    return {fault.kind: fault for fault in report.faults}


def test_class_folders(tmp_path):
    data = dt.sound_classification.from_folder(sound_folder(tmp_path / "tones"), seconds=0.25)
    assert data.task.name == "sound_classification"
    assert data.signature.inputs["audio"].shape == (2000,)
    assert data.classes == ["high", "low"]
    assert (len(data.rows("train")), len(data.rows("valid"))) == (13, 3)
    assert data.default_model == "hearing"
    assert data.check().ok
    again = data.task.from_recipe(data.recipe)
    assert np.array_equal(again.rows("valid"), data.rows("valid"))


def test_names_and_groups(tmp_path):
    folder = sound_folder(tmp_path, names=True)
    data = dt.sound_classification.from_folder(
        folder, name_pattern=PATTERN, split=dt.split.by_group("speaker", valid=0.5)
    )
    assert len(set(data.table["speaker"][data.rows("valid")])) == 1
    assert data.task.recorded(data.recipe)["name_pattern"] == PATTERN
    assert "in both parts" not in kinds(data.check())
    mixed = dt.sound_classification.from_folder(folder, name_pattern=PATTERN)
    told = kinds(mixed.check())["in both parts"]
    assert "'speaker': 2 of 2" in told.message
    assert "--split group:speaker" in told.fix
    assert mixed.task.told_apart(mixed) == ["speaker"]
    pattern = dt.split.by_path("_([a-z]+)_", valid=0.5, column="audio")
    by_name = dt.sound_classification.from_folder(folder, name_pattern=PATTERN, split=pattern)
    assert len(set(by_name.table["speaker"][by_name.rows("valid")])) == 1


def test_a_csv_whose_files_are_missing_says_which_row(tmp_path):
    sound_folder(tmp_path)
    rows = [f"{label}/{number:02d}.wav,{label}" for label in ("low", "high") for number in range(8)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows, "gone.wav,low"]) + "\n")
    data = dt.sound_classification.from_csv(tmp_path / "labels.csv", split=dt.split.none())
    assert len(data.part("train")) == 16
    (fault,) = data.bad.values()
    assert "labels.csv, row 18" in str(fault)
    assert kinds(data.check())["missing file"].where == ["gone.wav (labels.csv, row 18)"]


def test_sounds_in_memory():
    sounds = [tone(hertz, seed=seed) for seed, hertz in enumerate([300, 1200] * 6)]
    data = dt.sound_classification.from_arrays(sounds, ["low", "high"] * 6, RATE, seconds=0.2)
    assert data.part("train").column("audio").shape == (len(data.rows("train")), 1600)


def test_one_class_and_wrong_options(tmp_path):
    folder = sound_folder(tmp_path / "tones")
    with pytest.raises(UsageError, match="rate must be from"):
        dt.sound_classification.from_folder(folder, rate=3)
    with pytest.raises(UsageError, match="the names say the class"):
        dt.sound_classification.from_folder(folder, name_pattern="(.)", layout="class folders")
    for path in (folder / "high").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"only one class, 'low'"):
        dt.sound_classification.from_folder(folder, layout="class folders")


def test_a_sound_alone_is_no_source(tmp_path):
    done = drivetrain("train", write(tmp_path / "a.wav", tone(300)))
    assert done.code == 2
    assert "this is a sound. Name the folder" in done.err


def test_check_hears_what_is_wrong_with_each(tmp_path):
    folder = sound_folder(tmp_path, 12)
    loud = np.clip(20 * tone(300), -1, 1)
    write(folder / "low" / "loud.wav", loud)
    write(folder / "low" / "silent.wav", np.zeros(2000))
    write(folder / "low" / "offset.wav", 0.3 * tone(330) + 0.1)
    write(folder / "high" / "short.wav", tone(1200, 0.01))
    (folder / "high" / "empty.wav").write_bytes(b"")
    (folder / "high" / "text.wav").write_text("this is no sound at all")
    whole = to_wav((tone(1200) * 9000).astype(np.int16), RATE)
    (folder / "high" / "cut.wav").write_bytes(whole[: len(whole) // 2])
    write(folder / "high" / "flac.flac", tone(1250))
    found = kinds(check(read_source(folder)))
    assert {name: len(fault.where) for name, fault in found.items()} == {
        "empty file": 1, "truncated": 1, "unreadable": 1, "silent": 1, "clipped": 1, "offset": 1, "short": 1,
        "wrong extension": 1,
    }  # fmt: skip
    assert found["offset"].where == ["low/offset.wav: +0.100"]
    assert "0.099 seconds" in found["truncated"].where[0]


def test_check_hears_the_same_recording_again(tmp_path):
    folder = sound_folder(tmp_path, 12)
    wave = tone(300, 0.3, 5, rate=16000, noise=0.0) + tone(700, 0.3, 6, rate=16000, noise=0.0)
    wave *= np.sin(np.arange(len(wave)) / 300) ** 2 / 2
    write(folder / "low" / "a.wav", wave, 16000)
    write(folder / "low" / "b.wav", 0.5 * wave[::2])
    write(folder / "high" / "c.wav", wave, 16000)
    found = kinds(check(read_source(folder)))
    assert found["conflict"].where == [
        "high: high/c.wav = low: low/a.wav",
        "high: high/c.wav ~ low: low/b.wav",
    ]
    (folder / "high" / "c.wav").unlink()
    near = check(read_source(folder))
    assert kinds(near)["near duplicate"].where == ["low/a.wav ~ low/b.wav"]


def test_check_tells_a_recorder_that_tells_the_class(tmp_path):
    folder = sound_folder(tmp_path, 12)
    for number in range(12):
        write(folder / "high" / f"{number:02d}.wav", tone(1200, seed=number, rate=16000), 16000)
    found = kinds(check(read_source(folder)))
    assert found["rate tells the class"].where == ["16,000: 12 'high'", "8,000: 12 'low'"]
    assert "100 % of the sounds" in found["rate tells the class"].message


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    home = tmp_path_factory.mktemp("hearing")
    sound_folder(home / "tones", 12)
    arguments = ["train", home / "tones", "--seconds", "0.25", "--epochs", "8", "--out", home / "run"]
    done = drivetrain(*arguments, "--export", home / "tones.bundle", "--json")
    assert done.code == 0, done.err
    return home, done.json


@pytest.mark.slow
def test_from_a_folder_to_answers(trained, tmp_path):
    home, result = trained
    assert result["task"] == "sound_classification"
    assert result["metrics"]["valid"]["accuracy"]["value"] >= 0.75
    assert set(result["baselines"]) == {"majority class", "logistic regression"}
    bundle = home / "tones.bundle"
    assert drivetrain("verify", bundle).code == 0
    new = write(tmp_path / "new.wav", tone(1200, 0.2, 99, rate=16000), 16000)
    stereo = tmp_path / "stereo.wav"
    stereo.write_bytes(to_wav(np.stack([tone(300, 0.2, 98)] * 2, 1), RATE))
    answers = drivetrain("predict", bundle, new, stereo, "--json").json["answers"]
    assert [answer["label"] for answer in answers] == ["high", "low"]
    measured = drivetrain("evaluate", bundle, home / "tones", "--json").json
    assert measured["metrics"]["accuracy"]["value"] >= 0.75
    (tmp_path / "bad.wav").write_text("no sound")
    failed = drivetrain("predict", bundle, new, tmp_path / "bad.wav", tmp_path / "none.wav", "--json").json
    assert ["error" in answer for answer in failed["answers"]] == [False, True, True]
    page = (home / "run" / "report.html").read_text()
    assert "<audio" in page


@pytest.mark.slow
def test_sounds_go_through_bodies_of_pictures_and_are_mixed(tmp_path):
    data = dt.sound_classification.from_folder(sound_folder(tmp_path / "tones"), seconds=0.25)
    for model, augment in (("residual", dt.SoundAugment(mixup=1.0)), ("hearing", None)):
        learner = data.learner(model, augment=augment, bare=True, quiet=True)
        learner.fit(1)
        assert np.isfinite(learner.validate()["log_loss"].value)


def test_changes_of_pictures_are_none_of_sounds(tmp_path):
    data = dt.sound_classification.from_folder(sound_folder(tmp_path / "tones"), seconds=0.25)
    with pytest.raises(UsageError, match="no augmentation 'photos' for these data"):
        data.learner(augment="photos", bare=True)
    with pytest.raises(DrivetrainError, match="Give a SoundAugment"):
        data.learner(augment=dt.Augment(), bare=True)


def long_folder(folder, each=6):
    """Recordings of a second, of which half is silent but for noise."""
    for label, hertz in (("low", 300.0), ("high", 1200.0)):
        for number in range(each):
            parts = [tone(hertz, 0.25, 10 * number + k, noise=0.01) for k in range(4)]
            write(folder / label / f"{number}.wav", np.concatenate(parts))
    return folder


def test_long_recordings_are_windows_of_one_part(tmp_path):
    data = dt.sound_classification.from_folder(long_folder(tmp_path / "long"), valid=0.34, seconds=0.25)
    train, valid = data.part("train"), data.part("valid")
    assert (len(train), len(valid)) == (8 * 4, 4 * 4)
    assert not set(train.rows) & set(valid.rows)
    row = int(train.rows[5])
    whole = data.signature.inputs["audio"].read(data.table["audio"][row])
    assert np.array_equal(train.column("audio")[5], whole[2000:4000])
    assert train.column("label")[5] == train.column("label")[4]
    assert np.array_equal(data.together("valid"), valid.rows)
    assert data.things == "windows"
    assert "12 sounds, 48 of the 48 windows" in data.describe()
    assert (
        "16 windows of 4 recordings: windows of one are alike, so intervals are of recordings"
        in data.describe()
    )
    cut = dt.sound_classification.from_folder(tmp_path / "long", valid=0.34, seconds=0.25, trim=60)
    assert cut.things == "sounds"
    assert "windows" not in cut.describe()
    with pytest.raises(UsageError, match="seconds must be above 0"):
        dt.sound_classification.from_folder(tmp_path / "long", seconds=0)


@pytest.mark.slow
def test_windows_of_a_sound_are_drawn_and_compared_together(tmp_path):
    data = dt.sound_classification.from_folder(long_folder(tmp_path / "long", 14), valid=0.5, seconds=0.25)
    learners = [data.learner(seed=seed, quiet=True) for seed in (0, 1)]
    result = learners[0].fit(1)
    learners[1].fit(1)
    metrics = result["metrics"]["valid"]
    assert "14 groups" in metrics["accuracy"]["method"]
    assert (metrics["accuracy"]["n"], metrics["recording.accuracy"]["n"]) == (56, 14)
    assert all(found["recording.accuracy"]["n"] == 14 for found in result["baselines"].values())
    assert all("14 groups" in found["difference"]["method"] for found in result["against"].values())
    found = dt.compare(learners)
    assert found.n == 56  # Every window, and not the first of each.
    assert all("14 groups" in pair.difference.method for pair in found.pairs if pair.metric == "accuracy")
    assert any("56 windows of 14 recordings" in note for note in found.notes)
    assert not any("validated on by all" in note for note in found.notes)


@pytest.mark.slow
def test_a_sound_beside_a_number(tmp_path):
    folder = sound_folder(tmp_path / "tones", 20)
    items = [
        {"path": str(path), "age": 20 + place, "label": path.parent.name}
        for place, path in enumerate(sorted(folder.rglob("*.wav")))
    ]
    block = dt.DataBlock(
        {"sound": dt.Audio(seconds=0.25), "age": dt.Number()},
        {"label": dt.Category()},
        items=lambda _: items,
        values={"sound": lambda item: item["path"], "age": lambda item: item["age"]},
        label=lambda item: item["label"],
    )
    learner = block.dataset("tones").learner(quiet=True, out=tmp_path / "run")
    learner.fit(2)
    bundle = learner.export(tmp_path / "beside.bundle")
    assert drivetrain("verify", bundle).code == 0
    predictor = dt.Predictor(bundle)
    answer = predictor.predict({"sound": items[0]["path"], "age": 30})
    own = learner.predict({"sound": items[0]["path"], "age": 30})
    assert answer.probabilities == pytest.approx(own.probabilities, abs=1e-4)
    assert not answer.unusual
    long = write(tmp_path / "long.wav", tone(300, 2, 1))
    heard = predictor.predict({"sound": long, "age": 30}).unusual["sound"]
    assert heard.reason == "not heard whole, for being too long"  # Windows are of a sound alone.
    (tmp_path / "sheet.csv").write_text("sound,age\nlong.wav,30\n")
    told = drivetrain("predict", bundle, tmp_path / "sheet.csv")
    assert "'sound': 1 of 1 values was not heard whole, for being too long" in told.out + told.err


@pytest.mark.slow
def test_labels_of_long_recordings_are_looked_at_once_each(tmp_path):
    data = dt.sound_classification.from_folder(long_folder(tmp_path / "long"), valid=0.34, seconds=0.25)
    found = label_faults(data, "hearing", folds=2, epochs=1, quiet=True)
    assert sorted(found.rows.tolist()) == list(range(12))
    assert found.probability is not None
    assert (found.probability <= 1).all()


def test_what_chance_guesses_is_no_leak():
    """Twenty sounds of five classes in five ranges of loudness: the commonest class of each is right in 40 % by itself."""
    chance = Counter({"a": 2, "b": 1, "c": 1})
    assert _guessed(chance) == 0
    assert _guessed(Counter({"a": 4})) == 4
    assert _guessed(Counter({"a": 3, "b": 1})) == 3


@pytest.mark.slow
def test_long_recordings_are_answered_by_windows_and_as_a_whole(trained, tmp_path):
    home, _ = trained
    predictor = dt.Predictor(home / "tones.bundle")
    low, high = tone(300, 0.5, 3), tone(1200, 0.25, 4)
    long = write(tmp_path / "long.wav", np.concatenate([low, high]))
    answer = predictor.predict(long, windows=True)
    assert [(each["from"], each["to"]) for each in answer.windows] == [
        (0, 0.25), (0.125, 0.375), (0.25, 0.5), (0.375, 0.625), (0.5, 0.75),
    ]  # fmt: skip
    assert (answer.windows[0]["label"], answer.windows[-1]["label"]) == ("low", "high")
    mean = np.mean([[*each["probabilities"].values()] for each in answer.windows], axis=0)
    assert np.allclose([*answer.probabilities.values()], mean, atol=1e-6)
    assert predictor.predict(long).windows == ()
    told = drivetrain("predict", home / "tones.bundle", long, "--windows")
    assert "0.50 to 0.75 s" in told.out
    many = predictor.predict_many([long, str(tmp_path / "none.wav"), high_short(tmp_path)])
    assert [type(each).__name__ for each in many] == ["Answer", "Failure", "Answer"]


def high_short(folder):
    return write(folder / "short.wav", tone(1200, 0.2, 5))


def test_ten_hours_are_heard_in_windows(tmp_path):
    """At a thousand samples a second of 8 bits: what is long is the time."""
    folder = sound_folder(tmp_path / "tones")
    hours = np.full(10 * 3600 * 1000, 128, np.uint8)
    hours[5_000_000:5_004_000] += (40 * np.sin(np.arange(4000) / 2)).astype(np.int8).view(np.uint8)
    (folder / "low" / "night.wav").write_bytes(to_wav(hours, 1000))
    data = dt.sound_classification.from_folder(folder, split=dt.split.none(), seconds=60.0, rate=1000)
    part = data.part("train")
    assert len(part) == 16 + 600
    assert not data.bad
    assert part.column("audio")[part.rows == 16 - 1].shape[1] == 60_000
    assert "longer than that, and heard in windows" in data.describe()
    assert kinds(data.check())["long"].where == ["low/night.wav: 600.0 minutes"]


def test_a_long_recording_that_is_cut_off_is_bad_and_the_others_stay(tmp_path):
    folder = long_folder(tmp_path / "long")
    path = folder / "low" / "0.wav"
    path.write_bytes(path.read_bytes()[:5000])
    data = dt.sound_classification.from_folder(folder, split=dt.split.none(), seconds=0.25)
    assert len(data.part("train")) == 11 * 4
    (fault,) = data.bad.values()
    assert "ends 0.3" in str(fault)
