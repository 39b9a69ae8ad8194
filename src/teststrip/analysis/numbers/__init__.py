"""Columns to comparisons: contrasts, intervals, corrections, verdicts."""
