"""The bodies that are ours: one file per architecture, with `build(shape, dropout)` (see `drivetrain.models.body`)."""
