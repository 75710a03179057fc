"""Combinations of whole numbers, switches and choices."""
