"""A lever for each row: all rows at once, limits over all rows at a price."""
