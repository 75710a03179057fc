"""What each column is: guessed with a reason, or told. One file for each kind, and the rules between them."""
