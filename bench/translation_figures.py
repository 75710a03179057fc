"""What a translator of words alone reaches, and what the figures of a translation cost.

Claim: IBM model 1 of the 29,000 training pairs of Multi30k (English to French) takes some seconds of CPU, and its BLEU on the 1,000
test sentences (2016) is what a network has to beat; BLEU and chrF with 1,000 resamples take no longer than sacrebleu's own, which
counts once and resamples too, and agree with its values.
Method: one run, one thread, CPU seconds of this process; sacrebleu's `corpus_score(..., n_bootstrap=1000)` in the same run, twice.
Median of 5; the model is fitted three times. Values have no spread: there is no chance in them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from common import data_folder, spread, write_result
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from drivetrain.data.read.parallel import read_pairs
from drivetrain.learn.baselines.word_by_word import WordByWord
from drivetrain.metrics.translation import measure, signatures, statistics


def seconds(act: Callable[[], Any], times: int = 5) -> dict[str, float]:
    found: list[float] = []
    for _ in range(times):
        start = time.process_time()
        act()
        found.append(round(time.process_time() - start, 4))
    return spread(found)


def main() -> None:
    table = read_pairs(data_folder("multi30k_en_fr"), "en", "fr")
    train, test = (table.take(table["split"] == part) for part in ("train", "test"))
    sides = {name: (list(train[name]), list(test[name])) for name in ("en", "fr")}
    figures: dict[str, Any] = {"signatures": signatures(), "directions": {}}
    for source, target in (("en", "fr"), ("fr", "en")):
        model = WordByWord.fit(sides[source][0], sides[target][0])
        written = model.translate(sides[source][1])
        found = measure(written, sides[target][1])
        figures["directions"][f"{source}-{target}"] = {
            name: {
                key: round(value, 3)
                for key, value in one.to_json().items()
                if key in ("value", "low", "high")
            }
            for name, one in found.items()
        }
    pairs = sides["en"][0], sides["fr"][0]
    references = sides["fr"][1]
    model = WordByWord.fit(*pairs)
    written = model.translate(sides["en"][1])
    figures["cpu_seconds"] = {
        "fit, 29,000 pairs": seconds(lambda: WordByWord.fit(*pairs), 3),
        "translate, 1,000 texts": seconds(lambda: model.translate(sides["en"][1])),
        "BLEU and chrF with 1,000 resamples": seconds(lambda: measure(written, references)),
        "counting alone": seconds(lambda: statistics(written, references)),
        "sacrebleu, BLEU and chrF with 1,000 resamples": seconds(
            lambda: [each.corpus_score(written, [references], n_bootstrap=1000) for each in (BLEU(), CHRF())],
            2,
        ),
    }
    write_result(
        "translation_figures", __doc__.split("\n\n")[1].removeprefix("Claim: ").replace("\n", " "), figures
    )


if __name__ == "__main__":
    main()
