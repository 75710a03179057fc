"""Signs for "missing" and far values: what people write for a gap is seen, and what nature writes raises no alarm."""

import numpy as np
import pytest
from commands import drivetrain

import drivetrain as dt
from drivetrain.data.kinds.far_values import find_far_values
from drivetrain.data.kinds.guess import guess_kinds, to_table
from drivetrain.data.read.readers import read_frame

pytest.importorskip("polars")
RNG = np.random.default_rng(0)
N = 2_000


def found(columns, target="y"):
    frame = read_frame({"y": RNG.normal(size=len(next(iter(columns.values())))), **columns}, name="t")
    kinds = guess_kinds(frame, target)
    names = [name for name, kind in kinds.items() if kind.codec is not None]
    return find_far_values(to_table(frame, kinds), kinds, names)


def having(values, sign, share):
    return np.where(RNG.random(len(values)) < share, sign, values)


SIGNS = {
    "sensors": ("--missing=-200", {
        "CO(GT)": having(np.round(RNG.gamma(2, 1, N) + 0.1, 1), -200, 0.18),
        "S1": having(RNG.normal(1100, 150, N).round(), -200, 0.04),
        "NMHC": having(np.round(RNG.gamma(1.5, 140, N) + 7), -200, 0.9),
        "T": having(RNG.normal(18, 9, N).round(1), -200, 0.04),
    }),
    "days": ("--missing days=999", {"days": having(RNG.integers(0, 28, N), 999, 0.96)}),
    "minus one": ("--missing days=-1", {"days": having(RNG.integers(0, 800, N), -1, 0.8)}),
    "nines": ("--missing 'the age=-999'", {"the age": having(RNG.integers(18, 90, N), -999, 0.003)}),
    "top": ("--missing gain=99999", {"gain": having(having(RNG.integers(100, 41_310, N), 0, 0.9), 99_999, 0.005)}),
    "sizes": ("--missing area=0", {"area": having(np.exp(RNG.normal(7.3, 0.3, N)).round(), 0, 0.003)}),
    "inputs and target": ("--missing y=1000000000", {"y": having(RNG.integers(2, 83, N), 1e9, 0.003)}),
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNS)
def test_a_sign_for_missing_is_proposed_as_one(name):
    option, columns = SIGNS[name]
    (fault,) = found(columns)
    assert fault.severity == "warning"
    assert fault.fix.endswith(f"{option}.")
    assert len(fault.where) == len(columns)
    assert fault.message.startswith("Numbers that look like a sign for 'missing', in ")


def test_signs_that_differ_have_an_option_each():
    days, area = SIGNS["days"][1]["days"], SIGNS["sizes"][1]["area"]
    (fault,) = found(
        {"days": days, "area": area, "more": having(area, -1, 0.1), "other": having(area, -1, 0.1)}
    )
    assert fault.fix.endswith("say so: --missing days=999 --missing area=0 --missing=-1.")


def test_far_values_are_shown_with_their_rows():
    rooms = RNG.choice([1, 2, 3, 4, 5, 6], N, p=[0.01, 0.13, 0.45, 0.32, 0.08, 0.01])
    rooms[[5, 8]] = 33, 11
    width = np.round(3.7 + np.minimum(RNG.gamma(2, 1, N), 7), 2)
    width[7] = 58.9
    year = RNG.integers(1990, 2021, N)
    year[0] = 20
    y = RNG.integers(2, 83, N)
    y[N - 1] = 10**9
    (fault,) = found({"rooms": rooms, "width": width, "year": year, "y": y})
    assert fault.message == "Far from all other values: 4 columns."
    assert [place.partition(", all others")[0] for place in fault.where] == [
        f"y: 1,000,000,000 (t, row {N})",
        "rooms: 33 (t, row 6)",
        "width: 58.9 (t, row 8)",
        "year: 20 (t, row 1)",
    ]
    assert fault.fix.endswith("--missing y=1000000000.")


def test_dates_are_looked_at_too():
    day = np.datetime64("2015-01-01", "us") + RNG.integers(0, 1500, N) * np.timedelta64(1, "D")
    until = np.where(RNG.random(N) < 0.3, np.datetime64("9999-12-31", "us"), day)
    slip = day.copy()
    slip[3] = np.datetime64("1915-03-01")
    signs, far = found({"day": day, "until": until, "to": until, "slip": slip})
    assert len(signs.where) == 2
    assert signs.where[0].startswith("until: 9999-12-31 in ")
    assert signs.fix.endswith("--missing until=9999-12-31 --missing to=9999-12-31.")
    assert len(far.where) == 1
    assert far.where[0].startswith("slip: 1915-03-01 (t, row 4), all others from 2015-01-0")


NATURE = {
    "normal": lambda r, n: r.normal(size=n),
    "income": lambda r, n: np.exp(r.normal(8, 1.5, n)).round(2),
    "price": lambda r, n: np.exp(r.normal(3, 0.8, n)).round() - 0.01,
    "count": lambda r, n: r.poisson(0.5, n),
    "larger count": lambda r, n: r.poisson(30, n),
    "days since": lambda r, n: r.geometric(0.02, n) - 1,
    "mostly zero": lambda r, n: np.where(r.random(n) < 0.8, 0, np.exp(r.normal(5, 1, n)).round()),
    "no garage": lambda r, n: np.where(r.random(n) < 0.1, 0, r.normal(500, 80, n).round()),
    "degrees": lambda r, n: r.normal(8, 4, n).round(),
    "heavy tails": lambda r, n: r.standard_t(3, n),
    "share": lambda r, n: r.beta(0.5, 0.5, n),
    "rating": lambda r, n: r.integers(1, 6, n),
    "dose": lambda r, n: r.choice([0, 10, 20, 50], n),
}


@pytest.mark.parametrize("name", NATURE)
def test_what_nature_writes_raises_hardly_an_alarm(name):
    alarms = 0
    for draw in range(30):
        rng = np.random.default_rng(draw)
        alarms += len(found({"x": NATURE[name](rng, (50, 300, 2_000)[draw % 3])}))
    assert alarms <= 1


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_is_proposed_settles_it(tmp_path, ending):
    import polars as pl

    columns = dict(SIGNS["sensors"][1])
    columns |= {
        "n": having(RNG.integers(2, 900, N), -200, 0.1),
        "y": RNG.normal(size=N),
        "z": RNG.normal(size=N),
    }
    columns["y"][:4] = 1e9
    frame = pl.DataFrame(columns)
    path = tmp_path / f"t.{ending}"
    (frame.write_csv if ending == "csv" else frame.write_parquet)(path)
    signs = drivetrain("check", path, "--target", "y", "--json").json["faults"][0]
    assert [place.partition(":")[0] for place in signs["where"]] == ["CO(GT)", "S1", "NMHC", "T", "n", "y"]
    options = ("--missing=-200", "--missing", "y=1000000000")
    settled = drivetrain("check", path, "--target", "y", *options, "--json").json
    assert [fault["kind"] for fault in settled["faults"]] == ["target gaps", "missing values"]
    assert settled["counts"]["rows"] == N - 4


def test_a_far_target_does_not_make_the_scale():
    rng = np.random.default_rng(0)
    x, z, noise = rng.normal(size=(3, 600))
    y = np.clip(np.round(42 + 12 * x + 6 * z + 3 * noise), 2, 82)
    plain = dt.tabular.from_frame({"x": x, "z": z, "y": y}, "y").signature.targets["y"]
    y[17] = 1e9
    data = dt.tabular.from_frame({"x": x, "z": z, "y": y}, "y")
    codec = data.signature.targets["y"]
    assert (plain.scaling, codec.scaling) == ("standard", "robust")
    assert abs(codec.spread - plain.spread) < 2
    (fault,) = (fault for fault in data.check().faults if fault.kind == "far value")
    assert fault.fix.endswith("train with --loss absolute: by squares one such target outweighs all others.")


@pytest.mark.slow
def test_one_far_target_costs_the_others_little():
    rng = np.random.default_rng(0)
    x, z, noise = rng.normal(size=(3, 600))
    y = np.round(42 + 12 * x + 6 * z + 3 * noise)
    y[0] = 1e9  # A row of train.
    far = dt.tabular.from_frame({"x": x, "z": z, "y": y}, "y", split=dt.split.by_position(0.3))
    learner = far.learner("linear", loss="absolute")
    learner.fine_tune(10)
    assert learner.validate()["mean_absolute_error"].value < 6  # It was 4,257,920.


def test_check_tells_them():
    columns = {"x": having(RNG.gamma(2, 50, N), -999, 0.1), "z": RNG.normal(size=N), "y": RNG.normal(size=N)}
    kinds = [fault.kind for fault in dt.tabular.from_frame(columns, "y").check().faults]
    assert kinds == ["sign for missing"]
