"""Training: the learner, its loop (one page), schedules, hooks, checkpoints, the run folder, baselines."""
