"""What a training minimises, one file an objective: `step` says which losses a batch gives; all else is the loop's."""
