"""The nodes of a Ray cluster that an executor uses: what an actor needs of them, and which ones are left out.

Knows no actors and no shots. The cluster must be joined before anything is asked here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from teststrip.errors import EngineError
from teststrip.executors import cluster

LOOK: Final = 2.0
"""Seconds between two looks at the nodes of the cluster."""


class Nodes:
    """The nodes that are alive and not left out.

    Args:
        num_cpus: of an actor.
        num_gpus: of an actor; None = 1 where the cluster has GPUs, else 0.
        resources: of an actor, of the cluster owner's own names.
        wait: seconds to wait for a node that has what an actor needs.
    """

    def __init__(self, *, num_cpus: float, num_gpus: float | None, resources: Mapping[str, float], wait: float) -> None:
        self._num_cpus, self._num_gpus, self._resources, self._wait = num_cpus, num_gpus, dict(resources), wait
        self._looked = float("-inf")
        self._alive: dict[str, cluster.Needs] = {}
        self._left_out: dict[str, str] = {}
        """The reason by the id of the node."""

    @property
    def needs(self) -> dict[str, float]:
        """Amounts that an actor needs."""
        if self._num_gpus is None:  # decided once, because a node that comes later must not change what answers
            self._num_gpus = 1 if any(node.get("GPU") for node in self._look().values()) else 0
        return {"CPU": self._num_cpus, "GPU": self._num_gpus, **self._resources}

    @property
    def room(self) -> int:
        """How many actors the nodes have room for, if nothing else runs there."""
        return cluster.room(self.needs, list(self._used.values()))

    @property
    def options(self) -> dict[str, Any]:
        """What Ray takes, so that it places an actor on one of these nodes."""
        needs = self.needs
        options: dict[str, Any] = {"num_cpus": needs["CPU"], "num_gpus": needs["GPU"]}
        if self._resources:
            options["resources"] = self._resources
        if self._left_out:
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(self._left_out)})"}
        return options

    def uses(self, node: str) -> bool:
        """Whether a node is not left out."""
        return node not in self._left_out

    def lost(self, node: str) -> bool:
        """Whether a node is gone from the cluster, with all that ran there."""
        self._looked = float("-inf")
        return bool(node) and node not in self._look()

    def leave_out(self, node: str, why: str) -> bool:
        """Place no further actor on a node.

        Returns:
            whether no earlier node was left out for this reason.
        """
        new = why not in self._left_out.values()
        self._left_out[node] = why
        return new

    def check(self, seconds: float) -> bool:
        """Check that some node has what an actor needs.

        Args:
            seconds: for which none ran.

        Returns:
            False where none has, and one may still come.

        Raises:
            EngineError: none has, and none came in time.
        """
        if self.room or seconds <= self._wait:
            return self.room > 0
        there = "; ".join(cluster.described(node) for node in self._used.values()) or "there is no node"
        reasons = "".join(f" Left out: {why}." for why in dict.fromkeys(self._left_out.values()))
        raise EngineError(
            f"no node of the Ray cluster has what an actor needs ({cluster.described(self.needs)}). Its nodes have:"
            f" {there}.{reasons} Change num_cpus, num_gpus or resources in [executor] of your configuration, or add a"
            " node"
        )

    @property
    def _used(self) -> dict[str, cluster.Needs]:
        return {node: has for node, has in self._look().items() if self.uses(node)}

    def _look(self) -> dict[str, cluster.Needs]:
        """The nodes that are alive, looked at again every few seconds."""
        if time.monotonic() - self._looked > LOOK:
            self._alive, self._looked = cluster.nodes(), time.monotonic()
        return self._alive
