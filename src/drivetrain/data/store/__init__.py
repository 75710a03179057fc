"""Encoded rows, kept: encoded once, in parallel, and found again by content."""
