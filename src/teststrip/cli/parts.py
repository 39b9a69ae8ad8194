"""Commands that tell what is installed: engines, metrics, trackers, doctor, schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from teststrip import plugins
from teststrip.cli.words import Json, folded, offered, out, print_json, tell
from teststrip.errors import TeststripError, UsageError
from teststrip.records import Card, Setting, Value
from teststrip.verbs.catalogue import about, groups

app = typer.Typer()

ALL = "Tell all of this one."
Engine = Annotated[
    str | None,
    typer.Argument(help=ALL, show_default=False, autocompletion=offered(lambda: plugins.installed("engines"))),
]
Metric = Annotated[
    str | None,
    typer.Argument(help=ALL, show_default=False, autocompletion=offered(lambda: plugins.installed("metrics"))),
]


Model = Annotated[str | None, typer.Option("--model", help="Tell what this model takes.", show_default=False)]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", help="With --model: the options of this class, not of its own.", show_default=False),
]


@app.command()
def engines(
    name: Engine = None,
    model: Model = None,
    scheduler: Scheduler = None,
    ask: Annotated[
        str | None,
        typer.Option("--ask", help="Ask this server, by URL or by its name in your configuration, what it has."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List what makes images; with a name: its settings, known names and options; with a model: what that takes."""
    if ask is not None:
        _tell_server(name, ask, as_json=as_json)
        return
    asked: dict[str, Value] = {key: one for key, one in {"model": model, "scheduler": scheduler}.items() if one}
    if asked and not name:
        raise UsageError("name the engine, too. Write: teststrip engines diffusers --model NAME")
    if name and asked:
        _tell_model(name, asked, as_json=as_json)
    elif as_json:
        _as_json("engines", name)
    elif name is None:
        _list("engines", _engine_in_short, ("settings", "options", "meaning"))
        out.print("All settings of one: [bold]teststrip engines NAME[/]")
    else:
        _tell_engine(name)


def _tell_engine(name: str) -> None:
    from teststrip.protocols import Names

    engine = plugins.load("engines", name)()
    out.print(f"[bold]{name}[/]  {escape(about(type(engine)))}")
    _tell_groups(groups(engine, {}))
    if isinstance(engine, Names):
        for setting, known in engine.names().items():
            out.print(_folded(f"\nKnown names of {setting}: {', '.join(known) or 'none here'}"), markup=False)
    options = Table("option", "kind", "default", "axis", "meaning", box=None)
    for knob in engine.options.values():
        title, kind, default, meaning = _knob(knob)
        options.add_row(title, kind, default, "" if knob.name in engine.operation else "yes", meaning)
    more = "; those with a yes may be axes, too" if set(engine.options) - engine.operation else ""
    out.print(f"\nWritten under [engine] in the study file{more}:", markup=False)
    out.print(options)


def _tell_server(name: str | None, address: str, *, as_json: bool) -> None:
    from teststrip.verbs import catalogue

    if not name:
        raise UsageError("name the engine, too. Write: teststrip engines webui --ask URL")
    if as_json:
        print_json(catalogue.of_server(name, address))
        return
    found = catalogue.served(name, address)
    out.print(f"[bold]{name}[/]  {escape(address)}")
    _tell_groups({"Settings of this server": tuple(found.values())})
    out.print(f"\nA study that fits it: [bold]teststrip init --engine {name} {escape(address)}[/]")


def _tell_model(name: str, asked: Mapping[str, Value], *, as_json: bool) -> None:
    if as_json:
        from teststrip.verbs import catalogue

        print_json(catalogue.of_model(name, asked))
        return
    out.print(f"[bold]{name}[/]  {escape(', '.join(f'{key} {value}' for key, value in asked.items()))}")
    _tell_groups(groups(plugins.load("engines", name)(), asked))


def _tell_groups(found: Mapping[str, Sequence[Setting]]) -> None:
    """A table for each group; settings without a sentence come last, by name alone."""
    for title, knobs in found.items():
        table = Table("setting", "kind", "default", "meaning", box=None)
        for knob in knobs:
            if knob.doc:
                table.add_row(*_knob(knob))
        out.print(f"\n{title}:", markup=False)
        out.print(table)
        if others := [knob.name for knob in knobs if not knob.doc]:
            out.print(_folded(f"Also, as Diffusers documents them: {', '.join(others)}"), markup=False)


def _knob(knob: Setting) -> tuple[str, str, str, str]:
    default = "" if knob.default is None else str(knob.default)
    default = default.lower() if isinstance(knob.default, bool) else default  # as a study file writes it
    choices = f" One of: {', '.join(knob.choices)}." if knob.choices and knob.kind == "str" else ""
    return knob.name, knob.kind, escape(default), escape(knob.doc + choices)


def _folded(text: str) -> str:
    return folded(text, out.width) if out.is_terminal else text


def _engine_in_short(kind: Any) -> tuple[str, str, str]:
    engine = kind()
    return str(len(engine.settings)), str(len(engine.options)), about(kind)


@app.command()
def metrics(name: Metric = None, as_json: Json = False) -> None:
    """List what turns pictures into numbers; with a name: range, needs, known failure, source, options."""
    if as_json:
        _as_json("metrics", name)
    elif name is None:
        _list("metrics", lambda kind: _in_short(kind().card), ("unit", "better", "meaning"))
        out.print("Range, needs and known failure of one: [bold]teststrip metrics NAME[/]")
    else:
        _tell_metric(name)


def _tell_metric(name: str) -> None:
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
def trackers(as_json: Json = False) -> None:
    """List what can listen to a run."""
    if as_json:
        _as_json("trackers", None)
    else:
        _list("trackers", lambda kind: (about(kind),), ("meaning",))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what this machine has for making pictures, what is missing and how to get it."""
    from teststrip.verbs import doctor as examining

    tell(examining.examine(), as_json=as_json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a study file, by which editors complete and check it."""
    from teststrip import study as studies

    print_json(studies.schema())


def _as_json(kind: plugins.Kind, name: str | None) -> None:
    from teststrip.verbs import catalogue

    print_json({kind: catalogue.everything(kind)} if name is None else catalogue.one(kind, name))


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
