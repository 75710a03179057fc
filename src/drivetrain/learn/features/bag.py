"""Each frequent word is a column of 0 and 1, as a tag is."""

from drivetrain.learn.features.tags import for_regression as for_regression
from drivetrain.learn.features.tags import for_trees as for_trees
