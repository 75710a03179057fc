"""Tasks: short records that name the parts of one kind of work. They hold none."""
