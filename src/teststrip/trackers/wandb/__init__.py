"""Weights & Biases: `tracker` says what is told, `memory` remembers it, `library` knows how W&B's library is set."""

from teststrip.trackers.wandb.tracker import WandbTracker

__all__ = ["WandbTracker"]
