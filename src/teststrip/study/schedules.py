"""`[schedules.NAME]`: lists of times or noise levels by name, for the setting `schedule`.

A list becomes one word that holds its numbers, because the numbers are what a shot asks for: the id of a shot must not
depend on the name that a study gives to its list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from teststrip.study.keys import ID_PATTERN, SCHEDULE
from teststrip.study.place import Place, kind_of
from teststrip.study.tables import check_keys, table
from teststrip.study.values import number
from teststrip.vocabulary import OWN_STEPS, steps_written

SETTING: Final = "schedule"
MOST: Final = 1000
"""Steps of a list."""


def read_schedules(data: object, place: Place) -> dict[str, str]:
    """The lists of a study by name, each as the word that stands for it in a shot.

    Raises:
        StudyError: a list is empty, does not fall, or holds what is no number.
    """
    found = {}
    for name, entry in table(data, place).items():
        here = place / name
        if not re.fullmatch(ID_PATTERN, name) or name == OWN_STEPS:
            raise here.error(f"a name must be letters, digits, '.', '_' or '-', and not {OWN_STEPS!r}")
        inner = table(entry, here)
        check_keys(inner, SCHEDULE, here)
        if len(inner) != 1:
            raise here.error("needs either timesteps or sigmas. Write timesteps = [999, 850, ...]")
        ((argument, values),) = inner.items()
        found[name] = steps_written(argument, _falling(values, here / argument))
    return found


def _falling(values: object, place: Place) -> list[float]:
    if not isinstance(values, list) or not 1 <= len(values) <= MOST:
        raise place.error(f"must be a list of 1 to {MOST:,} numbers, not {kind_of(values)}")
    numbers = [number(value, place / i) for i, value in enumerate(values)]
    if min(numbers) < 0:
        raise (place / numbers.index(min(numbers))).error("is below 0, where the picture is done")
    for i, (before, after) in enumerate(pairwise(numbers)):
        if after >= before:
            raise (place / (i + 1)).error(f"does not fall: {after:g} comes after {before:g}")
    return numbers


def settings_of(value: object, schedules: Mapping[str, str]) -> dict[str, object]:
    """What a value of the setting `schedule` sets: a list of the study by its name, nothing for the model's own."""
    if value == OWN_STEPS:
        return {}
    return {SETTING: schedules.get(value, value) if isinstance(value, str) else value}
