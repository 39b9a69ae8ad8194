"""Commands that list what is installed: engines, metrics, trackers."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from teststrip.cli.words import out
from teststrip.errors import TeststripError
from teststrip.records import Card

app = typer.Typer()


@app.command()
def engines() -> None:
    """List what makes images: each engine's settings and options."""
    from teststrip import plugins

    for name in plugins.installed("engines"):
        try:
            kind = plugins.load("engines", name)
            knobs = {**kind().settings, **kind.options}
        except TeststripError as error:
            out.print(f"[bold]{name}[/] — {escape(str(error))}")
            continue
        table = Table("setting", "kind", "default", "meaning", title=f"engine {name}", title_justify="left", box=None)
        for knob in knobs.values():
            default = "" if knob.default is None else str(knob.default)
            place = " [dim](option)[/]" if knob.name in kind.options else ""
            table.add_row(f"{knob.name}{place}", knob.kind, escape(default), escape(knob.doc))
        out.print(table)


@app.command()
def metrics(
    name: Annotated[str | None, typer.Argument(help="Tell all of this one.", show_default=False)] = None,
) -> None:
    """List what turns pictures into numbers; with a name: range, needs, known failure, source, options."""
    if name is None:
        _list("metrics", lambda kind: _in_short(kind().card))
        return
    from teststrip import plugins
    from teststrip.metrics.reference import facts

    metric = plugins.load("metrics", name)()
    out.print(f"[bold]{name}[/]  {escape(metric.card.about)}")
    table = Table.grid(padding=(0, 2))
    for label, text in facts(metric):
        table.add_row(label, escape(text))
    for option in metric.options.values():
        default = "" if option.default is None else f" Default: {option.default}."
        table.add_row(f"option {option.name}", escape(option.doc + default))
    out.print(table)


@app.command()
def trackers() -> None:
    """List what can listen to a run."""
    _list("trackers", lambda kind: ("", "", _first_line(kind)))


def _list(kind: Any, describe: Any) -> None:
    from teststrip import plugins

    table = Table(kind[:-1], "unit", "better", "meaning", box=None)
    for name in plugins.installed(kind):
        try:
            table.add_row(name, *(escape(word) for word in describe(plugins.load(kind, name))))
        except TeststripError as error:
            table.add_row(name, "", "", escape(str(error)))
    out.print(table)


def _in_short(card: Card) -> tuple[str, str, str]:
    return card.unit, {True: "higher", False: "lower", None: ""}[card.higher_is_better], card.about


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0] if kind.__doc__ else ""
