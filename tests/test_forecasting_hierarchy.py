import numpy as np
import pytest

from drivetrain.errors import DataError
from drivetrain.forecasting.hierarchy import Tree, bottom_up, reconcile, structural

TREE = Tree.of([("North", "a"), ("South", "b"), ("North", "c"), ("South", "d"), ("South", "e")])


def test_a_tree_names_its_nodes_from_the_total_down():
    assert TREE.names == ("total", "North", "South", "North/a", "South/b", "North/c", "South/d", "South/e")
    assert TREE.parent.tolist() == [-1, 0, 0, 1, 2, 1, 2, 2]
    assert structural(TREE).tolist() == [5, 2, 3] + [1] * 5


def test_a_hierarchy_that_is_not_equally_deep_or_repeats_a_leaf_is_refused():
    with pytest.raises(DataError, match="equally deep"):
        Tree.of([("North", "a"), ("South",)])
    with pytest.raises(DataError, match="twice"):
        Tree.of([("North", "a"), ("North", "a")])


def test_going_up_and_down_once_is_the_weighted_least_squares_of_the_matrix():
    rng = np.random.default_rng(0)
    told, variances = rng.normal(100, 20, (8, 4)), rng.uniform(0.5, 9, 8)
    sums = TREE.sums(np.eye(5))
    weighted = sums.T / variances
    expected = sums @ np.linalg.solve(weighted @ sums, weighted @ told)
    np.testing.assert_allclose(reconcile(TREE, told, variances), expected, rtol=1e-8)


def test_what_adds_up_already_is_not_moved_and_a_sure_node_is_moved_least():
    told = TREE.sums(np.arange(1.0, 6.0)[:, None])
    np.testing.assert_allclose(reconcile(TREE, told, structural(TREE)), told)
    told[0] = 40.0
    sure = structural(TREE)
    sure[0] = 1e-9
    assert reconcile(TREE, told, sure)[0, 0] == pytest.approx(40)


@pytest.mark.parametrize("made", ["bottom_up", "reconcile"])
def test_all_levels_add_up_to_the_last_digit_in_any_order(made: str):
    rng = np.random.default_rng(1)
    tree = Tree.of([(f"r{n % 7}", f"s{n % 31}", f"i{n}") for n in range(500)])
    told = rng.lognormal(3, 2, (tree.nodes, 5))
    variances = rng.uniform(1, 9, tree.nodes)
    found = bottom_up(tree, told[-500:]) if made == "bottom_up" else reconcile(tree, told, variances)
    order = rng.permutation(500)
    assert (found[-500:][order].sum(axis=0) == found[0]).all()
    for node in range(8):
        assert (found[np.flatnonzero(tree.parent == node)[::-1]].sum(axis=0) == found[node]).all()
