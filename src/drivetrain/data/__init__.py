"""From a source to batches: table, split, checks, packed store, loader, augmentation."""
