"""Random changes to training rows."""
