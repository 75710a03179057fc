"""Where one setting takes long to simulate."""
