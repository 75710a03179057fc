"""Expressions as a plan writes them: read, computed, bounded, and what they are like."""
