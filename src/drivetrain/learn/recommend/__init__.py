"""What somebody would like next: EASE and factors."""
