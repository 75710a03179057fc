"""Bags of words -> a column for each word, as of tags."""

from drivetrain.models.encoders.tags import build as build
