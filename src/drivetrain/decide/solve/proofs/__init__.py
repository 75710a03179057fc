"""Proofs that nothing is better."""
