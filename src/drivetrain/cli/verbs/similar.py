"""`drivetrain similar`: what the same people like, without torch."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import Reply, add_bundle, plain_table, terminal
from drivetrain.errors import one_line

HELP = "items that the same people have as one item"
EXAMPLE = "drivetrain similar films.bundle 50"


def add(command: ArgumentParser) -> None:
    add_bundle(command)
    command.add_argument("item", metavar="ITEM", help="as the ratings call it, or its title")
    command.add_argument("--n", type=int, default=10, help="how many (10)")


def act(options: Namespace) -> Reply:
    from drivetrain.runtime import Recommender

    found = Recommender(options.bundle, trusted=options.trusted).similar(options.item, options.n)
    return {"item": options.item, "similar": [each.to_json() for each in found]}, 0


def show(answer: dict[str, Any]) -> None:
    table = plain_table("", "item", "similarity")
    for each in answer["similar"]:
        table.add_row(escape(one_line(each["title"] or each["item"])), f"{each['similarity']:.2f}")
    terminal().print(table)
