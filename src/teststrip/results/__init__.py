"""The plan joined with the store: what every view, export and analysis reads."""

from teststrip.results.result import Result, open_result

__all__ = ["Result", "open_result"]
