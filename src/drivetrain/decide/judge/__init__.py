"""From a solution to a decision: what it promises, what that rests on, and whether to act."""
