"""The product of two vectors with biases: its sums, what decays, strangers, and its graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.errors import UsageError
from drivetrain.graphs.torch_export import export_graph
from drivetrain.learn.settings import Phase
from drivetrain.learn.training import parameter_groups
from drivetrain.models.build import build_network
from drivetrain.models.registry import PAIR_WIDTH, build_body, resolve
from drivetrain.runtime import OnnxSession

SIGNATURE = Signature(
    {"user": Category(tuple("abc"), open=True), "item": Category(tuple("wxyz"), open=True)},
    {"rating": Number(center=3.5, spread=1.1)},
)
ROWS = {
    "user": np.array([0, 1, 2, 0, 1]), "item": np.array([0, 1, 2, 3, 3]), "rating": np.ones(5, np.float32),
}  # fmt: skip


def network(name: str = "dot", **options: float):
    torch.manual_seed(0)
    made = build_network(SIGNATURE, ROWS, name, **options)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(-0.5, 0.5)
    return made.eval()


def batch(users: list[int], items: list[int]) -> dict[str, torch.Tensor]:
    return {"user": torch.tensor(users), "item": torch.tensor(items)}


def test_it_is_the_product_with_biases_in_natural_units() -> None:
    made = network()
    table, biases = made.encoders["category"].table.weight, made.encoders["category"].biases
    assert table.shape == (5 + 6, PAIR_WIDTH)
    with torch.no_grad():
        found = made.finish(made(batch([1, 2], [3, 0])))["rating"]
        for row, (user, item) in enumerate(((1, 3), (2, 0))):
            product = table[user] @ table[5 + item] + biases[user] + biases[5 + item] + made.combiner.bias
            assert found[row].item() == pytest.approx((3.5 + 1.1 * product).item(), abs=1e-5)


def test_somebody_unknown_has_no_taste_and_no_bias() -> None:
    torch.manual_seed(0)
    made = build_network(SIGNATURE, ROWS, "dot").eval()
    with torch.no_grad():
        found = made.finish(made(batch([3, 4], [0, 1])))["rating"]
    assert found.tolist() == pytest.approx([3.5, 3.5])


def test_vectors_decay_and_biases_do_not() -> None:
    made = network()
    groups = parameter_groups(made, Phase(1, 0.01), 1.2)
    decaying = {p.shape for group in groups if "weight_decay" not in group for p in group["params"]}
    assert decaying == {(11, PAIR_WIDTH)}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dot", "neural"])
def test_its_graph_says_the_same(name: str) -> None:
    made = network(name)
    examples = {key: ROWS[key] for key in SIGNATURE.inputs}
    session = OnnxSession(export_graph(made, SIGNATURE, examples), made_names(SIGNATURE))
    users, items = np.array([0, 2, 3, 4, 1]), np.array([5, 0, 1, 4, 2])
    with torch.no_grad():
        expected = made.finish(made(batch(users.tolist(), items.tolist())))["rating"].numpy()
    assert session.run({"user": users, "item": items})["rating"] == pytest.approx(expected, abs=1e-5)


def test_neural_begins_as_dot() -> None:
    torch.manual_seed(0)
    one = build_network(SIGNATURE, ROWS, "dot").eval()
    torch.manual_seed(0)
    other = build_network(SIGNATURE, ROWS, "neural").eval()
    other.load_state_dict({**other.state_dict(), **one.state_dict()})
    with torch.no_grad():
        other.combiner.layers[-1].bias.zero_()
        a, b = (made(batch([0, 1], [1, 2]))["rating"] for made in (one, other))
    assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("inputs", "targets", "words"),
    [
        ({"user": Category(("a", "b"))}, {"rating": Number(center=0.0, spread=1.0)}, "two categories"),
        (
            {"user": Category(("a", "b")), "age": Number(center=0.0, spread=1.0)},
            {"rating": Number(center=0.0, spread=1.0)},
            r"here are user \(category\), age \(number\)",
        ),
        (
            {"user": Category(("a", "b")), "item": Category(("x", "y"))},
            {"liked": Category(("no", "yes"))},
            "gives one number",
        ),
    ],
)
def test_other_data_are_refused(inputs, targets, words: str) -> None:
    rows = {name: np.zeros(4, codec.dtype) for name, codec in {**inputs, **targets}.items()}
    with pytest.raises(UsageError, match=words):
        build_network(Signature(inputs, targets), rows, "dot")


def test_it_is_a_name_and_no_body_for_pictures() -> None:
    assert resolve("dot").kind == resolve("neural").kind == "built-in"
    with pytest.raises(UsageError, match="not pictures"):
        build_body("dot", (1, 8, 8))
    with pytest.raises(UsageError, match="Did you mean"):
        resolve("neurel")
