"""Tasks: a file for each kind of work, whose TASK is a record of it (see `data/task.py`): its source and options, what is
trained, checked and measured, what `predict` takes, and the words. An extension's `tasks/<name>.py` is one like any other.
"""
