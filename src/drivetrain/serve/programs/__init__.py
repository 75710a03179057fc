"""How a bundle is served, by the name of its program: one file each."""
