"""What a plan says: objective, levers, constraints and models, checked and put in order."""
