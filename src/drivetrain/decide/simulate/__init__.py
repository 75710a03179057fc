"""What settings of the levers come to: for all rows and draws, with the same chances."""
