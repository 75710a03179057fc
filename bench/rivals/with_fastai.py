"""fastai: `python with_fastai.py FOLDER`, as its documentation writes it, without augmentation; the same network."""

import json
import os
import sys
import time

STARTED = float(os.environ["BENCH_STARTED"])

from fastai.vision.all import (  # noqa: E402
    CategoryBlock,
    DataBlock,
    GrandparentSplitter,
    ImageBlock,
    Learner,
    PILImageBW,
    error_rate,
    get_image_files,
    nn,
    parent_label,
)


def main() -> None:
    block = DataBlock(
        blocks=(ImageBlock(cls=PILImageBW), CategoryBlock), get_items=get_image_files, get_y=parent_label,
        splitter=GrandparentSplitter(train_name="train", valid_name="test"),
    )  # fmt: skip
    loaders = block.dataloaders(sys.argv[1], bs=128, num_workers=2)
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    learner = Learner(loaders, network, loss_func=nn.CrossEntropyLoss(), metrics=error_rate)
    with learner.no_bar(), learner.no_logging():
        learner.fit(1, 1e-3)
        first = time.time() - STARTED
        started = time.perf_counter()
        learner.fit(1, 1e-3)
        both = time.perf_counter() - started
        started = time.perf_counter()
        learner.validate()
        valid = time.perf_counter() - started
    print(
        json.dumps({"first": first, "epoch": both - valid, "error": float(learner.recorder.values[-1][-1])})
    )


main()
