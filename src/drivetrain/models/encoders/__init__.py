"""What a network does with each kind of input: one file per codec, named like it, with `build`."""
