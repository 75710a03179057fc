"""Looking for settings."""
