"""From settings to better ones nearby."""
