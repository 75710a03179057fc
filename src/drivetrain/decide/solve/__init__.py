"""What finds the best setting of the levers, each kind of problem by what suits it."""
