"""A run: its folder, and what is kept in it."""
