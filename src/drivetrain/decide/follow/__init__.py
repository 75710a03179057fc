"""After a decision: done again, held against what came, tried with a share kept to chance, learned from."""
