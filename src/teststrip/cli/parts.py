"""Commands that list what is installed: engines, metrics, trackers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from teststrip import plugins
from teststrip.cli.words import folded, out
from teststrip.errors import TeststripError
from teststrip.records import Card, Setting

app = typer.Typer()


@app.command()
def engines(
    name: Annotated[str | None, typer.Argument(help="Tell all of this one.", show_default=False)] = None,
) -> None:
    """List what makes images; with a name: its settings, known names and options."""
    if name is None:
        _list("engines", _engine_in_short, ("settings", "options", "meaning"))
        out.print("All settings of one: [bold]teststrip engines NAME[/]")
        return
    from teststrip.protocols import Names

    engine = plugins.load("engines", name)()
    out.print(f"[bold]{name}[/]  {escape(_first_line(type(engine)))}")
    table = Table("setting", "kind", "default", "meaning", box=None)
    documented = [knob for knob in engine.settings.values() if knob.doc]
    for knob in documented:
        table.add_row(*_knob(knob))
    out.print(table)
    if others := [knob.name for knob in engine.settings.values() if not knob.doc]:
        out.print(_folded(f"Also settings, as Diffusers documents them: {', '.join(others)}"), markup=False)
    if isinstance(engine, Names):
        for setting, known in engine.names().items():
            out.print(_folded(f"\nKnown names of {setting}: {', '.join(known) or 'none here'}"), markup=False)
    options = Table("option", "kind", "default", "meaning", box=None)
    for knob in engine.options.values():
        options.add_row(*_knob(knob))
    out.print("\nWritten under [engine] in the study file:", markup=False)
    out.print(options)


def _knob(knob: Setting) -> tuple[str, str, str, str]:
    default = "" if knob.default is None else str(knob.default)
    choices = f" One of: {', '.join(knob.choices)}." if knob.choices and knob.kind == "str" else ""
    return knob.name, knob.kind, escape(default), escape(knob.doc + choices)


def _folded(text: str) -> str:
    return folded(text, out.width) if out.is_terminal else text


def _engine_in_short(kind: Any) -> tuple[str, str, str]:
    engine = kind()
    return str(len(engine.settings)), str(len(engine.options)), _first_line(kind)


@app.command()
def metrics(
    name: Annotated[str | None, typer.Argument(help="Tell all of this one.", show_default=False)] = None,
) -> None:
    """List what turns pictures into numbers; with a name: range, needs, known failure, source, options."""
    if name is None:
        _list("metrics", lambda kind: _in_short(kind().card), ("unit", "better", "meaning"))
        out.print("Range, needs and known failure of one: [bold]teststrip metrics NAME[/]")
        return
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
    _list("trackers", lambda kind: (_first_line(kind),), ("meaning",))


def _list(kind: plugins.Kind, describe: Callable[[Any], tuple[str, ...]], heads: tuple[str, ...]) -> None:
    table = Table(kind[:-1], *heads, box=None)
    for name in plugins.installed(kind):
        try:
            table.add_row(name, *(escape(word) for word in describe(plugins.load(kind, name))))
        except TeststripError as error:
            table.add_row(name, *[""] * (len(heads) - 1), escape(str(error)))
    out.print(table)


def _in_short(card: Card) -> tuple[str, str, str]:
    return card.unit, {True: "higher", False: "lower", None: ""}[card.higher_is_better], card.about


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0] if kind.__doc__ else ""
