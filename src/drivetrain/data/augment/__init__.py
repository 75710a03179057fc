"""Random changes to training rows: one file for each way of changing, which a codec names in `Codec.augment`.

A file has `change(codec, augment)`: what is called on the device with encoded values (n, *shape), a `generator` and perhaps a
`share` of a batch, and gives values that a network takes. `augment` are the settings that a person chose (see
`pictures.py`), of which it takes what it can; None where they leave everything as it is.
"""
