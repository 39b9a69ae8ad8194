"""What the cards of the metrics say, for people: the page in the docs and `teststrip metrics`.

Knows the cards and Markdown, and no metric by name. Reads entry points, so a plug-in's card looks like a built-in's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from teststrip import plugins
from teststrip.errors import TeststripError
from teststrip.protocols import Metric
from teststrip.records import Setting

HEAD = """# Metrics

<!-- Generated from the cards of the metrics: python -m teststrip.metrics > docs/metrics.md -->

Name them in a study file: `[question] metrics = ["sharpness", "convergence"]`; options stand in `[metrics.NAME]`. A
metric whose weights are missing is *not computed, because ...*; it never makes a number up. What each says of black,
noise, blur and the like: [known pictures](known-pictures.md). To write your own: [Add a metric](add-a-metric.md).
"""


LOOKS_AT = {1: "one image", 2: "an image and its reference", None: "the seeds of a prompt in a cell"}
REFERENCES = {
    "the most steps": "its prompt and seed at the most steps",
    "the reference": "its prompt and seed in the cell that `question.reference` names",
}
BETTER = {True: "higher", False: "lower", None: "neither end"}


def page() -> str:
    """All metrics of this package, as Markdown."""
    ours = [name for name, point in plugins.installed("metrics").items() if point.value.startswith("teststrip.")]
    parts = [HEAD, *(_section(made) for name in ours if (made := opened(name)))]
    return "\n".join(parts)


def opened(name: str) -> Metric | None:
    """The metric with its default options; None when what it needs is not installed."""
    try:
        made: Metric = plugins.load("metrics", name)()
    except TeststripError:
        return None
    return made


def facts(metric: Metric) -> list[tuple[str, str]]:
    """Label and text of what one must know before believing a metric."""
    card = metric.card
    unit = f" {card.unit}" if card.unit else ""
    found = [
        ("looks at", LOOKS_AT[card.arity] + (f" ({REFERENCES[card.against]})" if card.against else "")),
        ("range", f"{_number(card.low)} to {_number(card.high)}{unit}"),
        ("better", BETTER[card.higher_is_better]),
        ("needs", card.needs or "nothing"),
        ("compare", card.comparable),
    ]
    if card.describes:
        found.append(("recommends", f"nothing, because {card.describes}"))
    if card.equal:
        found.append(("never across", f"{', '.join(card.equal)}: nothing is found or recommended across these"))
    if card.rises_with:
        found.append(("moves with", f"{', '.join(card.rises_with)}, whatever becomes of the picture"))
    return [*found, ("misleads", card.failure), ("source", card.source)]


def _section(metric: Metric) -> str:
    lines = [f"\n## {metric.card.name}\n", _plain(metric.card.about), "\n| | |", "|---|---|"]
    lines += [f"| {label} | {_plain(text)} |" for label, text in facts(metric)]
    if metric.options:
        lines += ["", "| option | default | |", "|---|---|---|", *_options(metric.options.values())]
    return "\n".join(lines) + "\n"


def _options(options: Iterable[Setting]) -> Iterable[str]:
    for option in options:
        default = "" if option.default is None else f"`{option.default}`"
        yield f"| `{option.name}` | {_plain(default)} | {_plain(option.doc)} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, also in a table."""
    return text.replace("|", "\\|").replace("*", "\\*")


def _number(value: float) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:,.6g}".replace("-", "−")
