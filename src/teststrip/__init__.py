"""Teststrip finds the right settings of a text-to-image model, with evidence."""

__version__ = "0.1.0"
