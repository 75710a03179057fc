"""An extension for the tests: kinds that ask for more of a network than a row of features, and networks for them."""
