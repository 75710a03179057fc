"""An extension for the tests: kinds whose values have no length in common."""
