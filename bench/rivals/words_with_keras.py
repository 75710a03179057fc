"""Keras on TensorFlow: `python words_with_keras.py ARRAYS.npz EPOCHS`, a word LSTM as its documentation writes it.

The arrays are `x`, int32 (n, longest) of tokens with 0 behind each row, and `y`. The network is ours: a table of vectors, an LSTM,
its last state and the largest of each state, one dense layer. `mask_zero` leaves padding out, as keras.io's "Understanding masking
& padding" does. Figures are seconds of CPU of each epoch after the first, in which TensorFlow builds its graph."""

import json
import os
import sys
import time

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"

import keras
import numpy as np
import tensorflow as tf


def main() -> None:
    with np.load(sys.argv[1]) as arrays:
        x, y, size, width, states, batch = (
            arrays[name] for name in ("x", "y", "size", "width", "states", "batch")
        )
    layers = keras.layers
    tokens = keras.Input((None,), dtype="int32")
    vectors = layers.Embedding(int(size), int(width), mask_zero=True)(tokens)
    found, last, _ = layers.LSTM(int(states), return_sequences=True, return_state=True)(vectors)
    pooled = layers.Concatenate()([last, layers.GlobalMaxPooling1D()(found)])
    network = keras.Model(tokens, layers.Dense(2)(pooled))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer=keras.optimizers.AdamW(1e-3), loss=loss)
    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: ends.append(time.process_time()),
        on_epoch_end=lambda epoch, logs: ends.append(time.process_time()),
    )
    network.fit(x, y, batch_size=int(batch), epochs=1 + int(sys.argv[2]), verbose=0, callbacks=[clock])
    seconds = [end - start for start, end in zip(ends[::2], ends[1::2])][1:]
    print(json.dumps({"seconds": seconds, "keras": keras.__version__, "tensorflow": tf.__version__}))


main()
