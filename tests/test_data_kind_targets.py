"""Few whole numbers as a target: a scale or classes, told with both readings, and decided by whom it concerns."""

import numpy as np
import pytest

from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.data.kinds.guess import guess_kinds
from drivetrain.data.read.readers import read_frame
from drivetrain.interface import command_line
from drivetrain.tasks import tabular

pytest.importorskip("polars")


def target(values, name="y", told=None):
    frame = read_frame({name: values})
    return guess_kinds(frame, name, overrides={name: told} if told else {})[name]


WINES = np.repeat([3, 4, 5, 6, 7, 8, 9], [10, 53, 681, 638, 199, 18, 5])
COVERS = np.repeat([1, 2, 3, 4, 5, 6, 7], [212, 283, 36, 3, 9, 17, 21])


def test_a_scale_is_a_number_and_classes_are_classes_and_both_are_told():
    scale = target(WINES)
    assert scale.codec == Number()
    assert "taken for a number, for they look like a scale (classes: " in scale.reason
    assert scale.faults[0].message == (
        "The target 'y' has 7 whole numbers from 3 to 9: they are taken for a number, for they look like a scale."
    )
    assert scale.faults[0].fix == 'If they are classes, say columns={"y": "category"}.'
    classes = target(COVERS)
    assert classes.codec == Category()
    with command_line():
        assert target(COVERS).faults[0].fix == "If they are a number, say --column y=number."
    assert target(np.repeat([1, 2, 3], 40)).faults[0].kind == "number or classes"
    assert target(WINES.astype(str).tolist()).codec == Number()


def test_the_name_may_say_which():
    few = np.repeat([1, 2, 3, 4], [40, 10, 30, 20])
    for name in ("quality", "OverallQual", "stars", "n_children"):
        assert target(few, name).codec == Number(), name
    for name in ("cover_type", "age_group", "usage", "discount", "y"):
        assert target(few, name).codec == Category(), name
    assert target(WINES, "quality_class").codec == Category()


@pytest.mark.parametrize("values", [WINES, COVERS, np.repeat([1, 2, 3], 40)])
def test_what_a_person_says_decides(values):
    for told, codec in (("category", Category()), ("number", Number())):
        found = target(values, "quality", told)
        assert found.codec == codec
        assert not found.faults
        assert found.reason.startswith("as told")
    data = tabular.from_frame({"x": np.arange(len(values)) / 3, "y": values}, "y", columns={"y": "category"})
    assert isinstance(data.signature.targets["y"], Category)


def test_two_values_and_amounts_are_not_asked_about():
    for values in ([0, 1] * 50, np.arange(100) % 30, np.arange(100) / 4, ["1", "x", "2"] * 30):
        assert all(fault.kind != "number or classes" for fault in target(values).faults)


def test_digits_are_classes():
    digits = np.random.default_rng(0).integers(0, 10, 500)
    assert target(digits).codec == Category()
