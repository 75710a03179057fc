"""The words that mattered: that they add up, that leaving words out tells much the same, and what they cost.

Claim: of the linear model of n-grams what the words add and the rest are its score; what leaving a word out takes from the score
goes with that, word by word, in texts of few words (of long ones neighbours are left out together); and both cost less
than a quarter of the training.
Method: `ngrams` with its defaults on three sets of texts, 80/20, seed 0. "off" is the largest difference between the score of the
answer that is given and the sum, over 200 valid texts; "alike" the mean over 20 of these of the rank correlation between what words
add exactly and what the score loses without them; CPU seconds of the training, of all that a result has of words (the 8 texts of
highest loss, and the strongest words of each class) and of the same 8 texts by leaving out.
Machine, n and date: in results/words.json.  Run: python bench/words.py
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from common import data_folder, write_result
from scipy.stats import spearmanr

import drivetrain as dt
from drivetrain.findings.telling import words_that_mattered
from drivetrain.interpret.category import scores
from drivetrain.learn.by_name import make_learner

SETS = {
    "amazon_app_reviews": ("reviews.csv", "positive", {}),
    "movie_reviews_polarity": ("reviews.csv", "label", {"ignore": ["fold", "source_file"]}),
    "ag_news_7600": ("ag_news.csv", "label", {"ignore": ["title"]}),
}
ROWS, COMPARED = 200, 20


def measured(name: str) -> dict[str, Any]:
    file, target, options = SETS[name]
    data = dt.tabular.from_csv(data_folder(name) / file, target, seed=0, **options)
    learner: Any = make_learner(data, "ngrams", bare=True)
    for part in ("train", "valid"):
        data.part(part)
    started = time.process_time()
    learner.fit()
    trained = time.process_time()
    found = words_that_mattered(learner)[target]
    told = time.process_time()
    interpretation = learner.interpret()
    exact = list(interpretation.told(range(ROWS)))
    answers, codec = learner.outputs()[0][target], data.signature.targets[target]
    off = [
        abs(each.score - float(scores(codec, answers[[place]], int(codec.chosen(answers[[place]])[0]))[0]))
        for place, each in enumerate(exact)
    ]
    learner.sums = lambda target: None  # As of any other model.
    left_out = [each.adds for each in interpretation.told(range(COMPARED))]
    alike = [spearmanr(one.adds, other).statistic for one, other in zip(exact, left_out)]
    again = time.process_time()
    words_that_mattered(learner)
    return {
        "texts": len(data.table),
        "off": max(off),
        "alike": float(np.mean(alike)),
        "training, CPU s": round(trained - started, 2),
        "words, CPU s": round(told - trained, 2),
        "by leaving out, CPU s": round(time.process_time() - again, 2),
        "strongest": {side: [each["word"] for each in words] for side, words in found["strongest"].items()},
    }


if __name__ == "__main__":
    claim = "what words add and the rest are the score, at less than a quarter of the training's cost"
    write_result("words", claim, {name: measured(name) for name in SETS})
