"""Keras on TensorFlow: `python with_keras.py FOLDER memory|png|cached`, as its documentation writes it; the same network.

`memory` gives `fit` numpy arrays; `png` uses image_dataset_from_directory with prefetch(), as keras.io's "Image
classification from scratch" does; `cached` adds cache(), as TensorFlow's guide to performance does.

The epoch ends with its last batch. `fit` itself often comes back only after 10.2 or 20.5 seconds, since a thread of
tf.data that tunes the pipeline sleeps twice as long each time and is waited for: that is not the training's speed."""

import json
import os
import sys
import time

STARTED = float(os.environ["BENCH_STARTED"])
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402


def png(folder: str, part: str, cached: bool):
    found = keras.utils.image_dataset_from_directory(
        f"{folder}/{part}",
        color_mode="grayscale",
        image_size=(28, 28),
        batch_size=128,
        shuffle=part == "train",
        verbose=False,
    )
    return (found.cache() if cached else found).prefetch(tf.data.AUTOTUNE)


def main() -> None:
    folder, source = sys.argv[1:]
    layers = keras.layers
    network = keras.Sequential([
        keras.Input((28, 28, 1)), layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(), layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(), layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10),
    ])  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss, metrics=["accuracy"])
    if source != "memory":
        train, valid = (
            {"x": png(folder, "train", source == "cached")},
            png(folder, "test", source == "cached"),
        )
    else:
        with np.load(f"{folder}/arrays.npz") as arrays:
            x, y, vx, vy = (arrays[name] for name in ("x", "y", "vx", "vy"))
        train = {"x": x[..., None].astype("float32"), "y": y, "batch_size": 128}
        valid = (vx[..., None].astype("float32"), vy)
    network.fit(**train, epochs=1, validation_data=valid, verbose=0)
    first = time.time() - STARTED
    ends: list[float] = []
    last = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter())
    )
    started = time.perf_counter()
    network.fit(**train, epochs=1, verbose=0, callbacks=[last])
    epoch = ends[-1] - started
    scored = network.evaluate(*(valid if isinstance(valid, tuple) else (valid,)), verbose=0)
    print(json.dumps({"first": first, "epoch": epoch, "error": 1 - scored[1]}))


main()
