"""How people write numbers: grouped, with a unit, in parentheses; and what can be read in two ways is told."""

import numpy as np
import pytest

from drivetrain.codecs import from_spec
from drivetrain.codecs.number import Number
from drivetrain.data.kinds.guess import guess_kinds, to_table
from drivetrain.data.read.readers import read_frame
from drivetrain.errors import DataError, UsageError
from drivetrain.interface import command_line
from drivetrain.tasks import tabular

pytest.importorskip("polars")
ROWS = 300
AMOUNTS = np.exp(np.random.default_rng(0).normal(6, 1, ROWS)).round(2)


def swapped(text, signs):
    return text.translate(str.maketrans(signs))


WAYS = {
    "dollars": (lambda x: f"${x:,.2f}", Number(thousands=",", unit="$")),
    "a code of money": (lambda x: f"USD {x:,.2f}", Number(thousands=",", unit="USD")),
    "euros": (lambda x: swapped(f"{x:,.2f}", {",": ".", ".": ","}) + " €", Number(thousands=".", unit="€")),
    "narrow spaces": (
        lambda x: swapped(f"{x:,.2f}", {",": "\u202f", ".": ","}),
        Number(thousands=" ", decimal=","),
    ),
    "narrow spaces and euros": (
        lambda x: swapped(f"{x:,.2f}", {",": "\u202f", ".": ","}) + "\u202f€",
        Number(thousands=" ", decimal=",", unit="€"),
    ),
    "apostrophes": (lambda x: f"{x:,.2f}".replace(",", "\u2019"), Number(thousands="'")),
    "percent": (lambda x: f"{x:.2f} %", Number(unit="%")),
    "a unit of mass": (lambda x: f"{x:.2f} kg", Number(unit="kg")),
    "two words": (lambda x: f"{x:.2f} sq ft", Number(unit="sq ft")),
}


@pytest.mark.parametrize(("write", "way"), WAYS.values(), ids=WAYS)
def test_money_and_units_are_numbers_also_where_all_differ(write, way):
    frame = read_frame({"x": [write(x) for x in AMOUNTS]})
    for kinds in (guess_kinds(frame), guess_kinds(frame, overrides={"x": "number"})):
        codec = kinds["x"].codec
        assert kinds["x"].kind == "number", kinds["x"].reason
        assert (codec.thousands, codec.decimal, codec.unit) == (way.thousands, way.decimal, way.unit)
        assert to_table(frame, kinds)["x"] == pytest.approx(AMOUNTS)
        assert [codec.read(write(x)) for x in AMOUNTS[:9]] == pytest.approx(AMOUNTS[:9])
        assert codec.read(7.5) == 7.5
    target = guess_kinds(frame, "x")["x"]
    assert target.kind == "number"
    assert target.codec.unit == way.unit
    assert not way.unit or f"in {way.unit}" in target.reason


def test_what_is_below_zero_may_be_in_parentheses():
    texts = [f"({x:.2f})" if row % 3 == 0 else f"{x:.2f}" for row, x in enumerate(AMOUNTS)]
    frame = read_frame({"x": texts})
    kinds = guess_kinds(frame)
    assert "in parentheses where below zero" in kinds["x"].reason
    signs = np.where(np.arange(ROWS) % 3 == 0, -1, 1)
    assert to_table(frame, kinds)["x"] == pytest.approx(AMOUNTS * signs)


@pytest.mark.parametrize("text", ["$1,428.57", "1,428.57$", "$ 1428.57", "1,428.57"])
def test_the_codec_reads_money_on_either_side(text):
    codec = Number(thousands=",", unit="$", accounting=True)
    assert codec.read(text) == 1428.57
    assert codec.read("-" + text) == codec.read(f"({text})") == -1428.57
    assert from_spec(codec.spec()) == codec


@pytest.mark.parametrize("text", ["$", "()", "(-5)", "$$5", "5 kg", "(5", "- 5", "5 USD"])
def test_what_is_no_money_is_refused(text):
    with pytest.raises(DataError, match="is not a number"):
        Number(unit="$", accounting=True).read(text)
    with pytest.raises(DataError, match="is not a number"):
        Number().read("$5")


def test_old_bundles_say_nothing_of_units():
    spec = {"op": "number@1", "thousands": "."}
    assert from_spec(spec) == Number(thousands=".")


@pytest.mark.parametrize("fields", [{"unit": "7"}, {"unit": "(a"}, {"unit": "x" * 30}, {"decimal": ";"}])
def test_fields_that_cant_be(fields):
    with pytest.raises(UsageError):
        Number(**fields)


def test_names_with_numbers_are_no_numbers():
    for write in ("zone {}", "A{}", "ID-{}", "v{}.1", "{}-A"):
        kind = guess_kinds(read_frame({"x": [write.format(row % 40 + 1) for row in range(ROWS)]}))["x"]
        assert kind.kind in ("category", "many categories"), write


def test_codes_with_a_letter_are_no_numbers():
    kind = guess_kinds(read_frame({"x": [f"{1_000_000 + row * 7}A" for row in range(ROWS)]}))["x"]
    assert kind.kind == "identifier"
    kind = guess_kinds(read_frame({"x": [f"{row % 90 + 10}A" for row in range(ROWS)]}))["x"]
    assert kind.codec.unit == "A"  # Amperes.


def test_several_units_are_text_and_said_to_be():
    kind = guess_kinds(
        read_frame({"x": [f"{row % 9 + 1} {'kg' if row % 3 else 'g'}" for row in range(ROWS)]})
    )["x"]
    assert kind.kind == "category"
    assert "numbers of several units ('kg' and 'g')" in kind.faults[0].message


def guess_umsatz(texts, told=None):
    frame = read_frame({"umsatz": texts})
    kinds = guess_kinds(frame, overrides={"umsatz": told} if told else {})
    return kinds["umsatz"], to_table(frame, kinds)["umsatz"]


def test_points_that_may_group_are_told_with_both_readings_and_what_decides():
    amounts = np.arange(60, 3060, 10)
    texts = [swapped(f"{x:,}", {",": "."}) for x in amounts]
    assert "147" not in texts
    kind, values = guess_umsatz(texts)
    assert values.tolist() == amounts.tolist()
    (fault,) = kind.faults
    assert fault.message == "'umsatz': '1.000' is taken for 1000, and may be 1.000."
    assert fault.fix == 'If it is that, say columns={"umsatz": "number:decimal-point"}.'
    assert kind.codec.read("1.500") == kind.codec.read(1500) == 1500
    with command_line():
        assert "--column umsatz=number:decimal-point" in guess_umsatz(texts)[0].reason
    kind, values = guess_umsatz(texts, "number:decimal-point")
    assert values[texts.index("1.500")] == 1.5
    assert not kind.faults
    assert kind.codec.read("1.500") == 1.5


def test_decimals_of_one_length_are_decimals():
    texts = [f"{1 + row / 100:.3f}" for row in range(ROWS)]
    kind, values = guess_umsatz(texts)
    assert values[1] == 1.01
    assert not kind.faults
    assert "'1.000' taken for 1.000 (or 1000:" in kind.reason
    assert guess_umsatz(texts, "number:decimal-comma")[1][1] == 1010
    plain = guess_umsatz([*texts, "0.500"])[0]
    assert "taken for" not in plain.reason
    mixed = guess_umsatz([f"{row / 8:g}" for row in range(ROWS)])[0]
    assert "taken for" not in mixed.reason


def test_commas_in_every_cell_may_be_decimal_and_are_told():
    kind, values = guess_umsatz([f"1,{row:03d}" for row in range(100, 900)])
    assert values[0] == 1100
    assert "may be 1.100" in kind.faults[0].message
    kind, values = guess_umsatz([f"1,{row:03d}" for row in range(100, 900)], "number:decimal-comma")
    assert values[0] == 1.1
    assert not guess_umsatz([f"{row:,}" for row in range(500, 1500)])[0].faults


def test_numbers_in_two_ways_are_told_and_never_read_half():
    texts = [f"{x:.2f}" if row % 2 else f"{x:.2f}".replace(".", ",") for row, x in enumerate(AMOUNTS)]
    kind, _ = guess_umsatz(texts)
    assert kind.codec is None
    assert "numbers written in two ways" in kind.reason
    assert kind.faults[0].kind == "two ways"
    data = tabular.from_frame({"umsatz": texts, "x": AMOUNTS, "y": ["u", "v"] * 150}, "y")
    assert any(
        "'umsatz' is left out: numbers written in two ways" in fault.message for fault in data.check().faults
    )
    with pytest.raises(DataError, match="the target's numbers are written in two ways"):
        guess_kinds(read_frame({"y": texts}), "y")


def test_the_advice_is_in_the_column_s_own_marks():
    with pytest.raises(DataError, match=r"Write it like 12,5 or"):
        Number(thousands=".").read("abc")
    with pytest.raises(DataError, match=r"Write it like 12\.5 or"):
        Number(thousands=",").read("abc")


@pytest.mark.parametrize(
    ("told", "words"),
    [("number:comma", "no way to write a number 'comma'. Did you mean"), ("text:x", "Say text alone")],
)
def test_ways_that_there_are_not(told, words):
    with pytest.raises(UsageError, match=words):
        guess_umsatz(["1", "2"], told)
