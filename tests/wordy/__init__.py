"""An extension whose targets have large outputs: at each of 256 places the probabilities of 5,000 words."""
