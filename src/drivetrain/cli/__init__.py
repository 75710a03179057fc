"""The command line: the same verbs as in Python, and no logic of its own."""
