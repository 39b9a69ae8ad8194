"""The shots of a study: which there are, in which order, under which ids and seeds, and what they cost.

plan      the Plan: cells, shots, counts          stencil   ids without shots
seeds     the seeds of each prompt                summary   what a plan holds and costs, as plain values
"""

from teststrip.plan.plan import Plan, of
from teststrip.plan.seeds import seeds_of
from teststrip.plan.summary import AxisCount, LevelCount, Measured, PlanSummary

__all__ = ["AxisCount", "LevelCount", "Measured", "Plan", "PlanSummary", "of", "seeds_of"]
