"""What a model answers as numbers that a decision can be made of, one kind of target a file."""
