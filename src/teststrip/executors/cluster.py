"""A Ray cluster as the driver sees it: how it is joined, and how many actors its nodes have room for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import ray
from ray.job_config import JobConfig

from teststrip.errors import EngineError, UsageError, first_line

OBJECTS: Final = 256 * 2**20
"""Bytes of the object store of a cluster that is started here. It holds four pictures an actor and no more."""

ATTEMPTS: Final = 3
"""A cluster that is started here gets 30 seconds from Ray, which a machine with much else to do does not keep."""

Needs = Mapping[str, float]
"""Amounts by the name that Ray gives a resource: CPU, GPU, and what a cluster's owner named."""


class Apart(JobConfig):  # type: ignore[misc]  # Ray has no types
    """The configuration of a driver whose working folder and script's folder are no import path of its actors.

    Else Ray puts both first on that path, and a study's folder with a file torch.py would run it on each node. Ray
    leaves them out where it believes that the actors get a working folder of their own.
    """

    def _runtime_env_has_working_dir(self) -> bool:
        return True


def join(address: str) -> bool:
    """Join a cluster, quietly.

    Args:
        address: HOST:PORT of a cluster, or "auto" for the one of this machine; "" = the one that this process has
            joined already, else the one that Ray's own variable RAY_ADDRESS names, as in a submitted job, else a
            cluster of this machine alone, which is started.

    Returns:
        whether the cluster was joined here, so that it has to be left.

    Raises:
        UsageError: the address is one of Ray Client, which streams no answers.
        EngineError: no cluster answers.
    """
    where = f"--executor ray:{address}" if address else f"RAY_ADDRESS={os.environ.get('RAY_ADDRESS', '')}"
    address = address or os.environ.get("RAY_ADDRESS", "")
    if address.startswith("ray://"):
        raise UsageError(
            f"{where}: Ray Client cannot stream pictures. Start the run on the cluster instead:"
            " ray job submit -- teststrip run STUDY --executor ray"
        )
    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not address:  # else Ray starts its actors at 15, below its own processes and all other programs of this machine
        os.environ.setdefault("RAY_worker_niceness", "0")
    # "local" is written out, because without an address Ray joins whatever cluster left its name in a temporary file.
    alone = {} if address else {"include_dashboard": False, "object_store_memory": OBJECTS}
    for _ in range(1 if address else ATTEMPTS):
        try:
            ray.init(
                address=address or "local", job_config=Apart(), log_to_driver=False, logging_level="ERROR", **alone
            )
        except Exception as error:  # Ray raises bare ones too
            ray.shutdown()
            failed = error
        else:
            return True
    remedy = "Start one with: ray start --head"
    if address and "RAY_AUTH_MODE" not in os.environ:
        remedy += (
            ". If that cluster asks for a token, set RAY_AUTH_MODE=token and copy ~/.ray/auth_token of its head to this"
            " machine"
        )
    raise EngineError(f"no Ray cluster answers at {address or 'local'} ({first_line(failed)}). {remedy}") from failed


def nodes() -> dict[str, Needs]:
    """What each node that is alive has in all, by the id of the node."""
    found: list[dict[str, Any]] = ray.nodes()
    return {node["NodeID"]: node["Resources"] for node in found if node["Alive"]}


def room(needs: Needs, nodes: Sequence[Needs]) -> int:
    """How many actors the nodes have room for, if nothing else runs there.

    >>> room({"CPU": 1, "GPU": 0.5}, [{"CPU": 8, "GPU": 1}, {"CPU": 1, "GPU": 4}, {"CPU": 64}])
    3
    """
    asked = {name: amount for name, amount in needs.items() if amount}
    found = 0
    for node in nodes:
        fits = [int(node.get(name, 0) / amount + 1e-6) for name, amount in asked.items()]  # 1 / 0.1 is not quite 10
        found += min(fits, default=1)
    return found


def described(amounts: Needs) -> str:
    """Amounts in words, without what Ray adds for itself.

    >>> described({"CPU": 8.0, "node:10.0.0.1": 1.0, "memory": 3e9, "object_store_memory": 1e9, "GPU": 0.5})
    'CPU 8, GPU 0.5'
    """
    own = ("node:", "memory", "object_store_memory", "accelerator_type:")
    return ", ".join(f"{name} {amount:g}" for name, amount in amounts.items() if not name.startswith(own)) or "nothing"
