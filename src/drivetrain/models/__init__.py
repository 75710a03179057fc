"""Networks: an encoder per input, a combiner, a head per target. Bodies by name are in `registry.py`."""
