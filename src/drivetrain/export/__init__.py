"""From a learner to a bundle: the graph, golden cases, profile and card."""
