"""Drivetrain: from a folder of data to a model in use. What you tested is what runs.

The names below are the public API. Each is imported when it is first used, so that importing drivetrain
imports neither torch nor onnxruntime.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from drivetrain import decide as decide
    from drivetrain import effects as effects
    from drivetrain import evidence as evidence
    from drivetrain.codecs import Codec as Codec
    from drivetrain.codecs import Signature as Signature
    from drivetrain.codecs.audio import Audio as Audio
    from drivetrain.codecs.bytes import Bytes as Bytes
    from drivetrain.codecs.category import Category as Category
    from drivetrain.codecs.date import Date as Date
    from drivetrain.codecs.image import Image as Image
    from drivetrain.codecs.number import Number as Number
    from drivetrain.codecs.series import Series as Series
    from drivetrain.codecs.tags import Tags as Tags
    from drivetrain.codecs.text import Text as Text
    from drivetrain.codecs.trace import Trace as Trace
    from drivetrain.data import split as split
    from drivetrain.data.augment.pictures import Augment as Augment
    from drivetrain.data.augment.sounds import SoundAugment as SoundAugment
    from drivetrain.data.dataset import Dataset as Dataset
    from drivetrain.data.read.folders import image_files as image_files
    from drivetrain.data.read.folders import parent_folder as parent_folder
    from drivetrain.errors import DrivetrainError as DrivetrainError
    from drivetrain.findings.comparison import compare as compare
    from drivetrain.learn.hooks import Hook as Hook
    from drivetrain.learn.learner import Learner as Learner
    from drivetrain.learn.objectives.base import Objective as Objective
    from drivetrain.runtime import Predictor as Predictor
    from drivetrain.runtime import Recommender as Recommender
    from drivetrain.runtime import embeddings as embeddings
    from drivetrain.search.tune import tune as tune
    from drivetrain.tasks import file_classification as file_classification
    from drivetrain.tasks import forecast as forecast
    from drivetrain.tasks import image_classification as image_classification
    from drivetrain.tasks import language_model as language_model
    from drivetrain.tasks import recommendation as recommendation
    from drivetrain.tasks import sequence_classification as sequence_classification
    from drivetrain.tasks import sound_classification as sound_classification
    from drivetrain.tasks import tabular as tabular
    from drivetrain.tasks import text_classification as text_classification
    from drivetrain.tasks import translation as translation
    from drivetrain.tasks.block import DataBlock as DataBlock
    from drivetrain.types import Answer as Answer
    from drivetrain.types import Failure as Failure

_PUBLIC = {
    "Answer": "drivetrain.types",
    "Audio": "drivetrain.codecs.audio",
    "Augment": "drivetrain.data.augment.pictures",
    "Bytes": "drivetrain.codecs.bytes",
    "Category": "drivetrain.codecs.category",
    "Codec": "drivetrain.codecs",
    "DataBlock": "drivetrain.tasks.block",
    "Dataset": "drivetrain.data.dataset",
    "Date": "drivetrain.codecs.date",
    "Tags": "drivetrain.codecs.tags",
    "Text": "drivetrain.codecs.text",
    "DrivetrainError": "drivetrain.errors",
    "Failure": "drivetrain.types",
    "Hook": "drivetrain.learn.hooks",
    "Image": "drivetrain.codecs.image",
    "Learner": "drivetrain.learn.learner",
    "Number": "drivetrain.codecs.number",
    "Objective": "drivetrain.learn.objectives.base",
    "Predictor": "drivetrain.runtime",
    "Recommender": "drivetrain.runtime",
    "Series": "drivetrain.codecs.series",
    "Signature": "drivetrain.codecs",
    "SoundAugment": "drivetrain.data.augment.sounds",
    "Trace": "drivetrain.codecs.trace",
    "compare": "drivetrain.findings.comparison",
    "decide": "drivetrain.decide",
    "effects": "drivetrain.effects",
    "embeddings": "drivetrain.runtime",
    "evidence": "drivetrain.evidence",
    "file_classification": "drivetrain.tasks.file_classification",
    "forecast": "drivetrain.tasks.forecast",
    "image_classification": "drivetrain.tasks.image_classification",
    "image_files": "drivetrain.data.read.folders",
    "language_model": "drivetrain.tasks.language_model",
    "parent_folder": "drivetrain.data.read.folders",
    "recommendation": "drivetrain.tasks.recommendation",
    "sequence_classification": "drivetrain.tasks.sequence_classification",
    "sound_classification": "drivetrain.tasks.sound_classification",
    "split": "drivetrain.data.split",
    "tabular": "drivetrain.tasks.tabular",
    "text_classification": "drivetrain.tasks.text_classification",
    "translation": "drivetrain.tasks.translation",
    "tune": "drivetrain.search.tune",
}
_MODULES = (
    "decide", "effects", "evidence", "file_classification", "forecast", "image_classification", "language_model",
    "recommendation", "sequence_classification",
    "sound_classification", "split", "tabular",
    "text_classification", "translation",
)  # fmt: skip

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        from drivetrain.errors import nearest

        raise AttributeError(f"drivetrain has no {name!r}. {nearest(name, _PUBLIC)}".rstrip())
    module = importlib.import_module(_PUBLIC[name])
    value = module if name in _MODULES else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
