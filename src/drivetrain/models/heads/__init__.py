"""What a network does for each kind of target: one file per codec, named like it, with `build`.

A head maps features to what the loss wants (`forward`), gives the loss per item (`losses`), what a person
watches per epoch (`error`, with `error_name`), and what the graph puts out (`finish`).
"""
