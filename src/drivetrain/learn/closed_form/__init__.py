"""Models that are solved rather than trained: penalised regression and n-grams."""
