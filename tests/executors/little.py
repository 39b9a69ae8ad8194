"""The study whose pictures tests of executors compare with those of one process."""

from teststrip.records import Study
from teststrip.study import study


def little() -> Study:
    """24 pictures of the engine `pattern`."""
    return study(
        name="little",
        prompts=["an owl", "a cat"],
        replicates=3,
        engine={"name": "pattern"},
        settings={"width": 16, "height": 16},
        axes={"guidance_scale": [1, 7.5], "num_inference_steps": [2, 30]},
    )
