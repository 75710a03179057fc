"""Learners of what comes next in a series."""
