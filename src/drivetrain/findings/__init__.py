"""What a training has shown, and how sure that is: results, intervals, curves, comparisons, refits."""
