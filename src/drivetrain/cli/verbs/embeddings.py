"""`drivetrain embeddings`: the vectors that a model has learned, as files, without torch."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import Reply, plain_table, terminal
from drivetrain.errors import one_line

HELP = "write a model's vectors of words, categories or items for TensorBoard's projector"
EXAMPLE = "drivetrain embeddings reviews.bundle --out vectors"


def add(command: ArgumentParser) -> None:
    command.add_argument("bundle", metavar="BUNDLE")
    command.add_argument("--out", required=True, metavar="FOLDER", help="a new folder for the files")
    command.add_argument("--force", action="store_true", help="replace the embeddings in a folder")


def act(options: Namespace) -> Reply:
    from drivetrain.runtime.vectors import all_embeddings, write_projector

    found = all_embeddings(options.bundle)
    written = write_projector(found, options.out, options.force)
    return {
        "folder": str(options.out),
        "files": [path.name for path in written],
        "embeddings": [
            {"field": each.field, "count": len(each), "width": int(each.vectors.shape[1])} for each in found
        ],
    }, 0


def show(answer: dict[str, Any]) -> None:
    table = plain_table("", "vectors of", "how many", "numbers each")
    for each in answer["embeddings"]:
        table.add_row(escape(one_line(each["field"])), f"{each['count']:,}", f"{each['width']:,}")
    terminal().print(table)
    terminal().print(
        f"written to {escape(one_line(answer['folder']))}: look at them with tensorboard --logdir FOLDER, or load the .tsv "
        "files at projector.tensorflow.org"
    )
