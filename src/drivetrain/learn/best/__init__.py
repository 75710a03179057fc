"""The best model: candidates on the same folds, blended."""
