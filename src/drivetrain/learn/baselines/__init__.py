"""What a simple method reaches on the same rows."""
