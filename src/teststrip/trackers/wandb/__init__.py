"""Weights & Biases.

tracker   hears a run                              media     rows as W&B's images, tables and artifact
history   the steps of a study's run               memory    what was sent, beside the study
library   how W&B's library is set
"""

from teststrip.trackers.wandb.tracker import WandbTracker

__all__ = ["WandbTracker"]
