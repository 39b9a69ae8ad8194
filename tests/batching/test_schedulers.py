"""Every scheduler that Diffusers has: what the plain call accepts is merged, what it refuses fails alone."""

import inspect

import diffusers
import pytest
from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers, SchedulerMixin
from tests.batching import oracle

from teststrip.batching import Batcher, Done

ALL = sorted(
    name
    for name in dir(diffusers)
    if "Scheduler" in name and inspect.isclass(getattr(diffusers, name)) and name != "SchedulerMixin"
    if issubclass(getattr(diffusers, name), SchedulerMixin)
)
# Those that the pipeline's authors name, less the one that needs torchsde where that is not installed.
NAMED = {scheduler.name for scheduler in KarrasDiffusionSchedulers} & set(ALL)


@pytest.fixture(scope="module", params=[4, pytest.param(7, marks=pytest.mark.slow)])
def steps(request):
    return request.param


@pytest.fixture(scope="module")
def merged(steps):
    """The pictures of all schedulers, made in one run with each other."""
    calls = [oracle.call("sd15", 5.0, steps, 0, 11, name) for name in ALL]
    return {answer.call.key: answer for answer in Batcher(oracle.pipeline("sd15"), rows=8).run(calls)}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_works_merged_as_it_works_alone(name, steps, merged):
    call = oracle.call("sd15", 5.0, steps, 0, 11, name)
    answer = merged[call.key]
    picture, refused = None, None
    try:
        picture = oracle.plain(oracle.pipeline("sd15"), call)
    except Exception as error:
        refused = error
    if picture is None:
        assert name not in NAMED, f"{name} is named by the pipeline"
        assert type(answer.error) is type(refused)
        return
    if not picture.isfinite().all():
        assert answer.reason == "nan"
        return
    assert isinstance(answer, Done), answer
    assert oracle.levels(answer.output, picture) <= 1
    assert not answer.alone


def test_the_schedulers_that_the_pipeline_names_are_all_here():
    assert len(NAMED) >= 14
