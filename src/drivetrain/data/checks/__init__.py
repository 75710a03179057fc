"""Faults and leaks, looked for before anybody trains."""
