"""What computes an outcome, one kind a file."""
