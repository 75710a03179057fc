"""Networks that read a text and write another: what they have in common (`network.py`), how each attends, and their steps."""
