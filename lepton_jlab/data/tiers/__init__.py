"""Tiers: which datasets are worth a fast place, where each is, and how it gets there."""
