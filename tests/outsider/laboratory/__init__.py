"""Somebody else's kinds of column: durations, and windows of a signal. Nothing in drivetrain names them."""
