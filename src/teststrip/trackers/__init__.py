"""Trackers hear what a run does; one file each, found through entry points."""
