"""Metrics turn images into numbers; one file a kind, found through entry points."""
