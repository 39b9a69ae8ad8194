"""Engines make images; one file each, found through entry points."""
