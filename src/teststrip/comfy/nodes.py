"""What a server says of the inputs of a node, in `/object_info`, and values as the server would read them.

A server turns a value into the kind of its input before it compares and stores the graph: 7.5 steps become 7. Values
are therefore turned here first, and one that would change is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from teststrip.errors import StudyError, among, nearest, shortened

Kind = Literal["INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", ""]

SHOWN = 60
"""The most choices that a message lists."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a node.

    Attributes:
        kind: of its value; "" = another kind, which is not judged.
        required: the node needs it.
        low: the least value; None = unbounded.
        high: the largest value; None = unbounded.
        choices: the only values of a COMBO; empty = the server does not say.
        seed: the web page changes it after each picture, so it is a seed whatever its name is.
    """

    kind: Kind
    required: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    seed: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """A class of nodes.

    Attributes:
        name: of the class.
        inputs: by name.
        package: the folder of the custom nodes that it comes from; "" = ComfyUI itself.
        partner: the node asks a paid service.
    """

    name: str
    inputs: Mapping[str, Input]
    package: str = ""
    partner: bool = False


def known(name: str, info: Mapping[str, Any]) -> Known:
    """What `/object_info` says of a class."""
    module = str(info.get("python_module") or "")
    package = module.removeprefix("custom_nodes.") if module.startswith("custom_nodes.") else ""
    inputs: dict[str, Input] = {}
    groups = info.get("input")
    for group in ("required", "optional"):
        entries = groups.get(group) if isinstance(groups, Mapping) else None
        for key, entry in entries.items() if isinstance(entries, Mapping) else ():
            inputs[str(key)] = _input(entry, required=group == "required")
    return Known(name, inputs, package, bool(info.get("api_node")) or module.startswith("comfy_api_nodes"))


def fitted(value: Any, wanted: Input) -> Any:
    """A value as the server reads it.

    >>> fitted(20.0, Input("INT")), fitted(7, Input("FLOAT")), fitted("euler", Input("COMBO", choices=("euler",)))
    (20, 7.0, 'euler')

    Raises:
        StudyError: the server would refuse the value, or silently take another one.
    """
    if isinstance(value, Mapping) and "__value__" in value:
        value = value["__value__"]
    match wanted.kind:
        case "INT" | "FLOAT":
            return _number(value, wanted)
        case "STRING":
            return str(value)
        case "BOOLEAN":
            if not isinstance(value, bool | int):
                raise StudyError(f"{value!r} is neither true nor false")
            return bool(value)
        case "COMBO" if wanted.choices:
            return _choice(value, wanted.choices)
    return value


def _number(value: Any, wanted: Input) -> int | float:
    try:
        number = float(value)
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        raise StudyError(f"{shortened(repr(value), 60)} is no number") from None
    if wanted.kind == "INT" and number != whole:
        raise StudyError(f"{value!r} is no whole number, and the server would cut it off")
    if wanted.low is not None and number < wanted.low:
        raise StudyError(f"{value!r} is below {wanted.low:g}, the least that the server takes")
    if wanted.high is not None and number > wanted.high:
        raise StudyError(f"{value!r} is above {wanted.high:g}, the most that the server takes")
    return whole if wanted.kind == "INT" else number


def _choice(value: Any, choices: tuple[Any, ...]) -> Any:
    for choice in choices:
        if choice == value or str(choice) == str(value):
            return choice
    listed = [str(choice) for choice in choices]
    long = f"{nearest(str(value), listed) or '.'} There are {len(listed)}"
    hint = among(str(value), listed, "There are") if len(listed) <= SHOWN else long
    raise StudyError(f"{shortened(repr(value), 120)} is not on the server{hint}")


def _input(entry: object, *, required: bool) -> Input:
    first = entry[0] if isinstance(entry, list) and entry else None
    more = entry[1] if isinstance(entry, list) and len(entry) > 1 and isinstance(entry[1], Mapping) else {}
    if isinstance(first, list):
        return Input("COMBO", required, choices=tuple(first))
    if first == "COMBO":
        options = more.get("options")
        return Input("COMBO", required, choices=tuple(options) if isinstance(options, list) else ())
    if first in ("INT", "FLOAT", "STRING", "BOOLEAN"):
        seed = bool(more.get("control_after_generate"))
        return Input(first, required, _bound(more.get("min")), _bound(more.get("max")), seed=seed)
    return Input("", required)


def _bound(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
