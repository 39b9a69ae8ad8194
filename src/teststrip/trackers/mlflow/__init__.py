"""MLflow: `tracker` hears a run, `runs` keeps what MLflow holds of its study."""

from teststrip.trackers.mlflow.tracker import MlflowTracker

__all__ = ["MlflowTracker"]
