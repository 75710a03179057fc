"""Boosted trees: their columns, growth, model and graph."""
