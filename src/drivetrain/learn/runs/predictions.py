"""What a model put out for the rows that it was validated on, kept in its run so that runs can be compared.

validation/meta.json       format, part, targets, what each column held
validation/signature.json  the codecs
validation/rows.npy        int64 (n,): row numbers in the table
validation/output-N.npy    float32 (n, *output_shape): what the model put out for target N
validation/target-N.npy    (n, ...): the true values, encoded; numbers in float64, as given
validation/lengths-N.npy   int64 (n,): of true values of different lengths, which then lie one after the other (format 2)
validation/groups.npy      int64 (n,), where rows are windows of recordings: equal for those of one
validation/items-N-M.npy   (n,): of a target with large outputs, instead of those, what metric M is the mean of (format 2)
validation/texts-N.json    of a target that is written, instead of outputs and true values: `{"written", "references"}` (format 3)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.codecs import Codec, Signature
from drivetrain.errors import DrivetrainError, FileError
from drivetrain.files import from_json, to_json, write_bytes, write_text
from drivetrain.metrics import Estimate, Statistic, grouped, measure, statistics, translation
from drivetrain.ragged import Ragged
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner

FORMAT, WITH_MORE, WITH_TEXTS = 1, 2, 3
FOLDER = "validation"
_SIDES = ("written", "references")


@dataclass(frozen=True, eq=False)
class Validation:
    """Rows (n,) of a part, the model's outputs and the encoded true values by target, the codecs; and for each column
    the digest of its raw values in these rows. Of a target with large outputs there are instead, by metric, the `items`
    (n,) that it is the mean of. Of one that is written outputs and true values are texts (n,), which no codec has encoded.
    `groups` are those of `Dataset.together`."""

    part: str
    rows: Array
    signature: Signature
    outputs: dict[str, Array]
    encoded: dict[str, Any]
    columns: dict[str, str]
    table: str
    items: dict[str, dict[str, Array]] = field(default_factory=dict[str, dict[str, Array]])
    groups: Array | None = None

    @classmethod
    def of(cls, fitted: BaseLearner) -> Validation:
        """Of a trained model: its valid part, or train where it has none."""

        data, part = fitted.data, fitted.data.measured_part
        rows = data.part(part).rows
        outputs, encoded = fitted.outputs(part)
        columns = {name: data.digest(name, rows) for name in data.signature.fields}
        items = {
            target: {key: made.items for key, made in scores.statistics.items() if made.items is not None}
            for target, scores in outputs.scores.items()
        }
        return cls(
            part, rows, data.signature, outputs, encoded, columns, data.table.name, items, data.together(part)
        )

    def statistics(self, target: str, places: Array) -> dict[str, Statistic]:
        """The metrics of a target on some of the rows, as what can be resampled."""
        return grouped(self._statistics(target, places), self.groups_of(places))

    def groups_of(self, places: Array) -> Array | None:
        """Of which recording each of some of the rows is, where they are windows of some."""
        return None if self.groups is None else self.groups[places]

    def _statistics(self, target: str, places: Array) -> dict[str, Statistic]:
        if target in self.items:
            return {key: Statistic.mean_of(items[places]) for key, items in self.items[target].items()}
        if self._is_written(target):
            return translation.statistics(*(side[places].tolist() for side in self._texts(target)))
        return statistics(*self._of(target, places))

    def measure(self, target: str, places: Array, seed: int = 0) -> dict[str, Estimate]:
        """The metrics of a target on some of the rows."""
        if target in self.items or self._is_written(target):
            return {key: made.estimate(seed) for key, made in self.statistics(target, places).items()}
        return measure(*self._of(target, places), seed, self.groups_of(places))

    def answers(self, target: str, places: Array) -> list[Array]:
        """What two models that answer alike on some of the rows have alike."""
        found = self.items[target].values() if target in self.items else [self.outputs[target]]
        return [array[places] for array in found]

    def _is_written(self, target: str) -> bool:
        return target in self.outputs and self.outputs[target].dtype == object

    def _texts(self, target: str) -> tuple[Array, Array]:
        return self.outputs[target], self.encoded[target]

    def _of(self, target: str, places: Array) -> tuple[Codec, Array, Any]:
        codec = self.signature.targets[target]
        return codec, self.outputs[target][places], self.encoded[target][places]

    def write(self, run: Path) -> None:
        """Into a run's folder; meta.json, by which it is known to be whole, comes last."""
        folder = run / FOLDER
        write_text(folder / "signature.json", to_json(self.signature.to_json(), indent=2) + "\n")
        _write_array(folder / "rows.npy", self.rows.astype(np.int64))
        if self.groups is not None:
            _write_array(
                folder / "groups.npy", np.unique(self.groups, return_inverse=True)[1].astype(np.int64)
            )
        for number, name in enumerate(self.signature.targets):
            for place, items in enumerate(self.items.get(name, {}).values()):
                _write_array(folder / f"items-{number}-{place}.npy", items)
            if self._is_written(name):
                sides = dict(zip(_SIDES, (side.tolist() for side in self._texts(name))))
                write_text(folder / f"texts-{number}.json", to_json(sides) + "\n")
                continue
            if name not in self.items:
                _write_array(folder / f"output-{number}.npy", self.outputs[name].astype(np.float32))
            true = self.encoded[name]
            if isinstance(true, Ragged):
                _write_array(folder / f"lengths-{number}.npy", true.lengths)
            _write_array(folder / f"target-{number}.npy", true.flat if isinstance(true, Ragged) else true)
        varies = any(codec.varies for codec in self.signature.targets.values())
        written = any(map(self._is_written, self.outputs))
        known = WITH_TEXTS if written else WITH_MORE if self.items or varies else FORMAT
        meta = {
            "format": known, "part": self.part, "table": self.table, "n": len(self.rows),
            "targets": list(self.signature.targets), "columns": self.columns,
            **({"items": {name: list(items) for name, items in self.items.items()}} if self.items else {}),
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
            if meta["format"] not in (FORMAT, WITH_MORE, WITH_TEXTS):
                raise DrivetrainError(
                    f"this validation is of format {meta['format']}, which is none known here.", where=folder,
                    fix="Install a newer drivetrain.",
                )  # fmt: skip
            signature = Signature.from_json(
                from_json((folder / "signature.json").read_bytes(), where=folder / "signature.json")
            )
            rows = _read_array(folder / "rows.npy")
            outputs: dict[str, Array] = {}
            encoded: dict[str, Any] = {}
            items: dict[str, dict[str, Array]] = {}
            for number, name in enumerate(meta["targets"]):
                if (texts := folder / f"texts-{number}.json").is_file():
                    sides = from_json(texts.read_bytes(), where=texts)
                    outputs[name], encoded[name] = (_as_texts(sides[side]) for side in _SIDES)
                    continue
                encoded[name] = _read_array(folder / f"target-{number}.npy")
                if (codec := signature.targets[name]).varies:
                    lengths = _read_array(folder / f"lengths-{number}.npy")
                    encoded[name] = Ragged.of(encoded[name], lengths, codec.padding)
                if name in (keys := meta.get("items", {})):
                    items[name] = {
                        key: _read_array(folder / f"items-{number}-{place}.npy")
                        for place, key in enumerate(keys[name])
                    }
                else:
                    outputs[name] = _read_array(folder / f"output-{number}.npy")
            found = cls(
                meta["part"], rows, signature, outputs, encoded, meta["columns"], meta["table"], items,
                _read_array(folder / "groups.npy") if (folder / "groups.npy").is_file() else None,
            )  # fmt: skip
            found._check(folder)
        except DrivetrainError as fault:
            raise fault.at(folder) from None
        except (OSError, KeyError, TypeError, ValueError, EOFError) as fault:
            raise DrivetrainError(
                f"what this run kept of its validation is damaged: {fault}.", where=folder, fix="Train anew."
            ) from fault
        return found

    def _check(self, folder: Path) -> None:
        items = [array for found in self.items.values() for array in found.values()]
        lengths = {len(array) for array in (*self.outputs.values(), *self.encoded.values(), *items)}
        lengths |= set() if self.groups is None else {len(self.groups)}
        if lengths != {len(self.rows)} or list(self.signature.targets) != list(self.encoded):
            raise DrivetrainError(
                "what this run kept of its validation doesn't fit together.", where=folder, fix="Train anew."
            )


def _as_texts(values: Any) -> Array:
    """Objects (n,). Raises ValueError for what are no texts."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("its texts are none")
    return np.array([*values, None], object)[:-1]


def _write_array(path: Path, array: Array) -> None:
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def _read_array(path: Path) -> Array:
    return np.load(path, allow_pickle=False)
