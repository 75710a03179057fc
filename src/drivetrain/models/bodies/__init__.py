"""The bodies that are ours: one file per architecture, with `build(shape, dropout)` (see `drivetrain.models.body`); that of
published weights alone, MobileNet, is made by `drivetrain.models.local`."""
