"""Who had what, and when: ratings, histories, titles."""
