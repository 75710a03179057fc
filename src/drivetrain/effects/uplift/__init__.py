"""On whom a treatment works: who to treat, and what that is worth."""
