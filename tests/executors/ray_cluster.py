"""Three nodes on one machine, actors and a node lost at random moments, a node added: the pictures of one process.

`test_ray.py` runs this file in a network of its own. It prints what happened as JSON.

python -m tests.executors.ray_cluster FOLDER SEED
"""

import contextlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import psutil
import ray
from ray.cluster_utils import Cluster

from teststrip.executors.ray import RayExecutor
from teststrip.records import Saved
from teststrip.study import study
from teststrip.verbs.run import Session

SHOTS = 300
OBJECTS = 80 * 2**20


def asked(shots=SHOTS):
    return study(
        name="three-nodes",
        prompts=["an owl", "a cat", "a red rose"],
        replicates=shots // 12,
        engine={"name": "diffusers", "device": "cpu", "batch": 4},
        settings={"model": "emoji"},
        axes={"guidance_scale": [1, 3], "num_inference_steps": [2, 4]},
    )


def actors():
    """The processes of the actors of this cluster."""
    found = []
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [one.pid] if "ray::Actor" in " ".join(one.cmdline()) else []
    return sorted(found)


class Misfortune:
    """A tracker that kills actors, removes a node and adds one, each after a number of images drawn by chance."""

    def __init__(self, cluster, nodes, chance):
        self.cluster, self.nodes, self.chance = cluster, nodes, chance
        moments = sorted(chance.sample(range(10, SHOTS - 60), 5))
        self.plan = dict(zip(moments, ("kill", "node", "kill", "add", "kill"), strict=True))
        self.made, self.happened = 0, []

    def on_event(self, event):
        if not isinstance(event, Saved):
            return
        self.made += 1
        what = self.plan.get(self.made)
        if what == "kill":
            if found := actors():
                os.kill(self.chance.choice(found), signal.SIGKILL)
            else:
                what = "no actor to kill"
        elif what == "node":
            self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)
        elif what == "add":
            self.nodes.append(self.cluster.add_node(num_cpus=1, object_store_memory=OBJECTS))
        if what:
            self.happened.append((what, self.made))

    def close(self):
        """Holds nothing."""


def images(folder, executor, trackers=()):
    """The pixels' digest and the rows of each image by shot, the number of images stored, and the seconds of that.

    The bytes of two files differ, because a file carries its picture's seconds, too.
    """
    begin = time.monotonic()
    with Session.open(asked(), folder, trackers=list(trackers), executor=executor) as session:
        session.make(session.todo())
        made = session.outcome.made
    with session.result as result:
        rows = list(result.rows())
        found = {row.planned.shot.id: (row.image.facts["pixels"], row.image.facts["rows"]) for row in rows if row.image}
    return found, made, time.monotonic() - begin


def main():
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    alone, _, seconds_alone = images(folder / "local", None)
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": OBJECTS}
    )
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=OBJECTS) for _ in range(2)]
    misfortune = Misfortune(cluster, nodes, random.Random(seed))
    try:
        found, made, seconds = images(folder / "ray", RayExecutor(cluster.address), [misfortune])
    finally:
        ray.shutdown()
        cluster.shutdown()
    said = {
        "images": len(found),
        "stored": made,
        "equal": found == alone,
        "happened": misfortune.happened,
        "seconds": round(seconds, 1),
        "seconds of local": round(seconds_alone, 1),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
