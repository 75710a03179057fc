"""What a model put out for the rows that it was validated on, kept in its run so that runs can be compared.

validation/meta.json       format, part, targets, what each column held
validation/signature.json  the codecs
validation/rows.npy        int64 (n,): row numbers in the table
validation/output-N.npy    float32 (n, *output_shape): what the model put out for target N
validation/target-N.npy    (n, ...): the true values, encoded; numbers in float64, as given
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.codecs import Signature
from drivetrain.data.digest import digest
from drivetrain.errors import DrivetrainError, FileError
from drivetrain.files import from_json, to_json, write_bytes, write_text
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner

FORMAT = 1
FOLDER = "validation"


@dataclass(frozen=True, eq=False)
class Validation:
    """Rows (n,) of a part, the model's outputs and the encoded true values by target, the codecs; and for each column
    the digest of its raw values in these rows."""

    part: str
    rows: Array
    signature: Signature
    outputs: dict[str, Array]
    encoded: dict[str, Array]
    columns: dict[str, str]
    table: str

    @classmethod
    def of(cls, fitted: BaseLearner) -> Validation:
        """Of a trained model: its valid part, or train where it has none."""
        
        data, part = fitted.data, fitted.data.measured_part
        rows = data.part(part).rows
        outputs, encoded = fitted.outputs(part)
        columns = {
            name: digest(data.table[name][rows], files=codec.from_files)
            for name, codec in data.signature.fields.items()
        }
        return cls(part, rows, data.signature, outputs, encoded, columns, data.table.name)

    def write(self, run: Path) -> None:
        """Into a run's folder; meta.json, by which it is known to be whole, comes last."""
        folder = run / FOLDER
        write_text(folder / "signature.json", to_json(self.signature.to_json(), indent=2) + "\n")
        _write_array(folder / "rows.npy", self.rows.astype(np.int64))
        for number, name in enumerate(self.signature.targets):
            _write_array(folder / f"output-{number}.npy", self.outputs[name].astype(np.float32))
            _write_array(folder / f"target-{number}.npy", self.encoded[name])
        meta = {
            "format": FORMAT, "part": self.part, "table": self.table, "n": len(self.rows),
            "targets": list(self.signature.targets), "columns": self.columns,
        }  # fmt: skip
        write_text(folder / "meta.json", to_json(meta, indent=2) + "\n")

    @classmethod
    def read(cls, run: Path) -> Validation:
        """From a run's folder. Raises FileError where it has none, DrivetrainError where it is damaged."""
        folder = run / FOLDER
        if not (folder / "meta.json").is_file():
            raise FileError(
                "this run kept nothing of its validation: it is not finished, or of an older drivetrain.",
                where=run,
                fix="Finish it with: drivetrain train SOURCE --out RUN --resume",
            )
        try:
            meta: dict[str, Any] = from_json((folder / "meta.json").read_bytes(), where=folder / "meta.json")
            if meta["format"] != FORMAT:
                raise DrivetrainError(
                    f"this validation is of format {meta['format']}, not {FORMAT}.", where=folder,
                    fix="Install a newer drivetrain.",
                )  # fmt: skip
            signature = Signature.from_json(
                from_json((folder / "signature.json").read_bytes(), where=folder / "signature.json")
            )
            rows = _read_array(folder / "rows.npy")
            outputs, encoded = (
                {
                    name: _read_array(folder / f"{kind}-{number}.npy")
                    for number, name in enumerate(meta["targets"])
                }
                for kind in ("output", "target")
            )
            found = cls(meta["part"], rows, signature, outputs, encoded, meta["columns"], meta["table"])
            found._check(folder)
        except DrivetrainError as fault:
            raise fault.at(folder) from None
        except (OSError, KeyError, TypeError, ValueError, EOFError) as fault:
            raise DrivetrainError(
                f"what this run kept of its validation is damaged: {fault}.", where=folder, fix="Train anew."
            ) from fault
        return found

    def _check(self, folder: Path) -> None:
        lengths = {len(array) for array in (*self.outputs.values(), *self.encoded.values())}
        if lengths != {len(self.rows)} or list(self.signature.targets) != list(self.outputs):
            raise DrivetrainError(
                "what this run kept of its validation doesn't fit together.", where=folder, fix="Train anew."
            )


def _write_array(path: Path, array: Array) -> None:
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def _read_array(path: Path) -> Array:
    return np.load(path, allow_pickle=False)
