"""Members of a network: they share its layers, see features scaled in ways of their own, and answer by their mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import several
import torch

import drivetrain as dt
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.codecs.tags import Tags
from drivetrain.learn import epochs
from drivetrain.learn.epochs import lengths
from drivetrain.learn.threads import one_thread
from drivetrain.models.dense import Dense, MemberLinear, MemberScales
from drivetrain.models.encoders.category import OneHotEncoder
from drivetrain.models.encoders.number import NumberEncoder
from drivetrain.models.heads import HeadOptions, category, number, tags
from drivetrain.models.registry import table_shape

MEMBERS = 3
OPTIONS = HeadOptions(members=MEMBERS)


def features() -> torch.Tensor:
    return Dense([0, 0, 1, 2], 0.0, (8, 5), MEMBERS)(torch.randn(6, 4))


def test_features_are_told_by_the_input_that_they_are_of() -> None:
    codecs = {"a": Number(center=0.0, spread=1.0), "b": Number(center=0.0, spread=1.0, missing=True)}
    encoder = NumberEncoder(codecs, np.array([[0.0, 1.0, 2.0]] * 2))
    widths = [part.shape[1] for part in encoder(torch.zeros(1, 2))]
    assert widths == [2, 4, 1]
    assert encoder.inputs_of(widths) == [0, 1, 0, 0, 1, 1, 1]
    assert OneHotEncoder({"a": 2, "b": 3}).inputs_of([2, 3]) == [0, 0, 1, 1, 1]


def test_each_member_sees_all_features_of_an_input_with_the_same_sign() -> None:
    scales = MemberScales(20, [0, 0, 1, 0, 1]).scales
    assert set(scales.unique().tolist()) == {-1.0, 1.0}
    assert (scales[:, [0, 2]] == scales[:, [1, 4]]).all()
    assert (scales[:, 0] != scales[:, 2]).any()


def test_a_members_layer_is_a_dense_layer_of_its_own() -> None:
    layer, rows = MemberLinear(MEMBERS, 5, 2), torch.randn(6, MEMBERS, 5)
    found = layer(rows)
    for member in range(MEMBERS):
        wanted = rows[:, member] @ layer.weight[member] + layer.bias[member]
        assert torch.allclose(found[:, member], wanted, atol=1e-6)


def test_classes_are_answered_by_the_mean_of_the_members_probabilities() -> None:
    head, rows = category.CategoryHead(4, 5, OPTIONS), features()
    codes = torch.tensor([0, 1, 2, 3, 0, 1])
    apart = head.train()(rows)
    assert apart.shape == (6, MEMBERS, 4)
    each = torch.stack([-apart.log_softmax(2)[row, :, code] for row, code in enumerate(codes)])
    assert torch.allclose(head.losses(apart, codes), each.mean(1), atol=1e-6)
    assert torch.allclose(head.loss(apart, codes), each.mean(), atol=1e-6)
    wrong = (apart.argmax(2) != codes[:, None]).float().mean(1).sum()
    assert float(head.error(apart, codes)) == pytest.approx(float(wrong))
    joined = head.eval()(rows)
    mean = apart.softmax(2).mean(1)
    assert torch.allclose(head.finish(joined), mean, atol=1e-6)
    assert torch.allclose(head.losses(joined, codes), -mean[range(6), codes].log(), atol=1e-6)


def test_tags_are_answered_by_the_mean_of_the_members_probabilities() -> None:
    head, rows = tags.TagsHead(2, 5, OPTIONS), features()
    true = torch.tensor([[0, 1]] * 6, dtype=torch.uint8)
    apart = head.train()(rows)
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(
        apart, true.float()[:, None].expand(6, MEMBERS, 2)
    )
    assert torch.allclose(head.loss(apart, true), wanted)
    assert torch.allclose(head.losses(apart, true).mean(), wanted)
    assert 0 <= float(head.error(apart, true)) <= 6
    assert torch.allclose(head.finish(head.eval()(rows)), apart.sigmoid().mean(1), atol=1e-6)


def test_numbers_are_answered_by_the_mean_of_the_members_and_each_learns_from_its_own_error() -> None:
    codec = Number(center=10.0, spread=2.0)
    head, rows = number.build(codec, 5, OPTIONS), features()
    values = torch.arange(6.0)
    apart = head.train()(rows)
    squares = (apart - head.scaled(values)[:, None]).square()
    assert torch.allclose(head.loss(apart, values), squares.mean())
    assert torch.allclose(head.losses(apart, values), squares.mean(1))
    joined = head.eval()(rows)
    assert torch.allclose(joined, apart.mean(1), atol=1e-6)
    assert torch.allclose(head.finish(joined), apart.mean(1) * 2 + 10, atol=1e-5)
    errors = [head.error(outputs.detach(), values).item() for outputs in (apart, joined)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-5)


def test_an_answer_on_a_log_scale_stays_near_what_was_learned() -> None:
    values = np.array([10.0, 100.0, 1000.0])
    codec = Number(log=True, center=4.6, spread=1.5)
    limits = number.limits_of(codec, values)
    head = number.build(codec, 5, HeadOptions(limits=limits))
    low, high = head.finish(torch.tensor([-50.0, 50.0])).tolist()
    assert high == pytest.approx(np.expm1(np.log1p(1000) + 0.75), rel=1e-4)
    assert low == pytest.approx(np.expm1(np.log1p(10) - 0.75), rel=1e-4)
    within = head.scaled(torch.tensor(values, dtype=torch.float32))
    assert head.finish(within).tolist() == pytest.approx(values.tolist(), rel=1e-4)
    assert number.limits_of(Number(center=4.6, spread=1.5), values) is None


def test_a_table_with_more_rows_has_more_pieces_and_fewer_members() -> None:
    assert [table_shape(rows, 3).bins for rows in (1, 100, 1_000, 5_000, 1_000_000)] == [8, 8, 16, 32, 64]
    assert [table_shape(100_000, numbers).bins for numbers in (0, 6, 9, 22, 100)] == [64, 64, 32, 16, 8]
    assert [table_shape(rows, 3).members for rows in (100, 100_000, 1_000_000)] == [8, 4, 2]


def test_how_long_depends_on_what_is_told_and_on_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lengths(several.columns()) == [5, 10]
    assert lengths(several.amounts()) == [10, 30]
    monkeypatch.setattr(epochs, "MANY", 200)
    assert lengths(several.columns()) == [5, 10]
    assert lengths(several.amounts()) == [10, 20]
    monkeypatch.setattr(epochs, "VERY_MANY", 200)
    assert lengths(several.columns()) == lengths(several.amounts()) == [2, 5]


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with one_thread(wanted=False):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_one_thread_trains_a_table_and_the_others_are_there_again(tmp_path: Path) -> None:
    seen: list[int] = []

    class Watch(dt.Hook):
        def on_batch_start(self, learner: dt.Learner, batch: object) -> None:
            seen.append(torch.get_num_threads())

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        several.columns().learner("mlp", out=tmp_path / "run", quiet=True, hooks=[Watch()], bare=True).fit(1)
        assert set(seen) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("kind", [Category, Number, Tags])
def test_without_members_a_head_is_as_it_was(kind: type) -> None:
    rows = torch.randn(6, 5)
    made = {
        Category: category.CategoryHead(4, 5, HeadOptions()),
        Number: number.build(Number(center=0.0, spread=1.0), 5, HeadOptions()),
        Tags: tags.TagsHead(2, 5, HeadOptions()),
    }[kind]
    assert torch.equal(made.train()(rows), made.eval()(rows))
