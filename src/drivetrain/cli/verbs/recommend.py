"""`drivetrain recommend`: what somebody would like next, without torch."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import Reply, add_bundle, plain_table, terminal
from drivetrain.errors import UsageError, one_line

HELP = "recommend items to a user, with the reasons"
EXAMPLE = "drivetrain recommend films.bundle 42 --seen ratings.csv"


def add(command: ArgumentParser) -> None:
    add_bundle(command)
    command.add_argument("user", metavar="USER", help="as the ratings call them; or anybody, with --liked")
    command.add_argument("--n", type=int, default=10, help="how many (10)")
    command.add_argument(
        "--seen", metavar="FILE", help="ratings or picks, with the columns of training: who has had what"
    )
    command.add_argument(
        "--liked", action="append", metavar="ITEM", help="something that the user liked; may be given again"
    )
    command.add_argument(
        "--diversity", type=float, default=0.0, metavar="X", help="0 to 1: items unlike each other (0)"
    )
    command.add_argument(
        "--novelty", type=float, default=0.0, metavar="X", help="0 to 1: items that few know (0)"
    )
    command.add_argument(
        "--popularity-correction", type=float, default=0.0, metavar="X",
        help="0 to 1: take off what they would find anyway (0)",
    )  # fmt: skip
    command.add_argument("--include-seen", action="store_true", help="also what the user has had")


def act(options: Namespace) -> Reply:
    from drivetrain.data.interactions.known import read_seen
    from drivetrain.runtime import Recommender

    recommender = Recommender(options.bundle, trusted=options.trusted)
    history: Any = options.liked
    if history is not None and options.seen is not None:
        raise UsageError(
            "--liked and --seen both say what the user has had.", where="--seen", fix="Leave one out."
        )
    if history is None and options.seen is not None:
        history = read_seen(options.seen, recommender.facts, options.user)
    found = recommender.recommend(
        options.user,
        options.n,
        history=history,
        exclude_seen=not options.include_seen,
        novelty=options.novelty,
        diversity=options.diversity,
        popularity_correction=options.popularity_correction,
    )
    return found.to_json(), 0


def show(answer: dict[str, Any]) -> None:
    console = terminal()
    rated = any(each["rating"] is not None for each in answer["items"])
    columns = ["", "item", "score", "usual", *(["rating"] if rated else []), "why"]
    table = plain_table("", *columns)
    for place, each in enumerate(answer["items"], 1):
        rating = [] if not rated else ["-" if each["rating"] is None else f"{each['rating']:.2f}"]
        shares = [f"{100 * each[name]:.2f} %" for name in ("score", "usual")]
        table.add_row(
            str(place),
            escape(one_line(each["title"] or each["item"])),
            *shares,
            *rating,
            escape(one_line(each["why"])),
        )
    console.print(table)
    for note in answer["notes"]:
        console.print(f"note: {escape(one_line(note))}")
