"""The command line: words in, one call, words out. Every error becomes one line and an exit code here.

Exit codes: 0 done; 2 the study or the command is wrong; 3 some shots failed; 4 another run holds the folder; 130
stopped.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from teststrip import __version__
from teststrip.errors import TeststripError, UsageError

if TYPE_CHECKING:
    from teststrip.results.result import Result

PARTIAL, INTERRUPTED = 3, 130

app = typer.Typer(
    help="Find the right settings of a text-to-image model, with evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

StudyFile = Annotated[Path, typer.Argument(help="A study file (TOML).", show_default=False)]
Folder = Annotated[Path, typer.Argument(help="A folder that `teststrip run` made.", show_default=False)]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override any key of the study file.")
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="The folder of the study. [default: runs/NAME]")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def main() -> None:
    """The entry point: runs a verb and turns what went wrong into one line and an exit code."""
    try:
        code = app(standalone_mode=False)
    except TeststripError as error:
        err.print(f"[bold red]teststrip:[/] {escape(printable(str(error)))}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(INTERRUPTED)
    except (typer.TyperException, typer.Exit, typer.Abort) as error:
        sys.exit(_usage(error))
    sys.exit(code if isinstance(code, int) else 0)


def printable(text: str) -> str:
    r"""Text without control characters that a terminal would obey; bidi overrides are shown as escapes.

    >>> printable("a\x1b[31mred\u202e")
    'a\\x1b[31mred\\u202e'
    """
    return "".join(
        c if c in "\n\t" or (c.isprintable() or c == "\u00a0") else c.encode("unicode_escape").decode() for c in text
    )


@app.callback(invoke_without_command=True)
def top(
    version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False,
) -> None:
    """Find the right settings of a text-to-image model, with evidence."""
    if version:
        out.print(f"teststrip {__version__}")
        raise typer.Exit


@app.command()
def init(file: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("study.toml")) -> None:
    """Write a commented study file to start from."""
    from teststrip import study as spec

    if file.exists():
        raise UsageError(f"{file} is there already. Name another file, or remove it first")
    file.write_text(spec.template(), encoding="utf-8")
    out.print(f"wrote {file}. Next: [bold]teststrip plan {file}[/]")


@app.command()
def plan(
    study: StudyFile,
    out_dir: Out = None,
    overrides: Set = None,
    calibrate: Annotated[bool, typer.Option(help="Make two images to estimate the time, if no run is known.")] = True,
    as_json: Json = False,
) -> None:
    """Show cells, images, what is done, cost, time, disk and what the design can see. Changes nothing."""
    from teststrip.verbs import forecast

    overview = forecast.of(study, out_dir, overrides or [])
    unknown = calibrate and overview.summary.left and not overview.timed
    if not as_json:
        for line in forecast.lines(overview):
            out.print(line, markup=False)
    if unknown:
        err.print("[dim]no earlier images to judge by: making two images to estimate the time ...[/]")
        overview = forecast.calibrated(overview)
    if as_json:
        _print_json(forecast.as_json(overview))
    else:
        out.print(forecast.time_line(overview), markup=False)


@app.command()
def run(
    study: StudyFile,
    out_dir: Out = None,
    overrides: Set = None,
    limit: Annotated[int | None, typer.Option(min=0, help="Make at most this many images now.")] = None,
    tracker: Annotated[list[str] | None, typer.Option(help="Also tell this tracker.")] = None,
    allow_mixed: Annotated[
        bool, typer.Option("--allow-mixed", help="Keep images of other versions or weights.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Also try again what was refused or invalid.")] = False,
    as_json: Json = False,
) -> None:
    """Make what is missing, score it, conclude, write page and report. Ctrl-C and again: goes on."""
    from teststrip import study as spec
    from teststrip.folder import PAGE, REPORT_FILE
    from teststrip.verbs.run import drive
    from teststrip.views import report

    asked = spec.read(study, overrides or [])
    names = list(dict.fromkeys(["progress", *asked.trackers, *(tracker or [])]))
    outcome = drive(asked, out_dir, limit=limit, trackers=names, allow_mixed=allow_mixed, retry=retry)
    result = outcome.result
    if as_json:
        summary = {
            "made": outcome.made,
            "failed": outcome.failed,
            "final": outcome.final,
            "left": outcome.left,
            "interrupted": outcome.interrupted,
            "folder": str(result.folder),
        }
        _print_json({**summary, "report": report.as_json(result)})
    elif outcome.interrupted:
        again = ["teststrip", "run", str(study), *(["--out", str(out_dir)] if out_dir else [])]
        again += [word for pair in overrides or [] for word in ("--set", pair)]
        again += [word for name in tracker or [] for word in ("--tracker", name)]
        again += ["--allow-mixed"] * allow_mixed + ["--retry"] * retry
        left = f"{outcome.left} images are left" if outcome.left else "no image is left to make, scores may be"
        err.print(f"stopped; {left}. To go on: [bold]{escape(shlex.join(again))}[/]")
    else:
        out.print(report.text(result), markup=False)
        page = (result.folder / PAGE / "index.html").resolve()
        out.print(f"\npage    {page}\nreport  {(result.folder / REPORT_FILE).resolve()}", markup=False)
        for name, where in outcome.told.items():
            out.print(f"{name:<7} {where}", markup=False)
    result.close()
    if outcome.final:
        err.print(f"{outcome.final} shots failed for good before and were not tried again; --retry does")
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    if outcome.failed or outcome.final:
        raise typer.Exit(PARTIAL)


@app.command()
def report(
    folder: Folder,
    markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """Print verdicts and tables."""
    from teststrip.views import report as writing

    with _opened(folder) as result:
        if as_json:
            _print_json(writing.as_json(result))
        else:
            out.print(writing.markdown(result) if markdown else writing.text(result, tables=True), markup=False)


@app.command()
def best(
    folder: Folder,
    metric: Annotated[
        str | None, typer.Option(help="Only by this score. Default: each that says which end is good.")
    ] = None,
    budget: Annotated[str | None, typer.Option(help="What a picture may cost: 4s, '50 calls' or '0.02 USD'.")] = None,
    as_json: Json = False,
) -> None:
    """Name the cheapest setting that is not worse, or say why none can be named."""
    from teststrip.views import report as writing

    with _opened(folder) as result:
        if as_json:
            _print_json(writing.best_as_json(result, metric, budget))
        else:
            out.print(writing.best_text(result, metric, budget), markup=False)


@app.command()
def verify(
    folder: Folder,
    sample: Annotated[str, typer.Option(help="Also make this share again and compare: '2%' or a number.")] = "0",
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="First make a new ledger out of the images; the old one is kept.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Re-hash every image; with --sample, make some of them again and compare."""
    from teststrip import store
    from teststrip.verbs import verify as verifying

    if rebuild:
        err.print(f"{store.rebuild(folder)} images are in the new ledger; the old one is in {folder}/quarantine")

    with _opened(folder) as result:
        outcome = verifying.verify(result, sample)
    if as_json:
        _print_json(outcome.as_json())
    else:
        for line in outcome.lines():
            out.print(line, markup=False)
    if not outcome.good:
        raise typer.Exit(PARTIAL)


@app.command()
def view(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Address to listen on. Any but loopback needs --token-from.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any free port.")] = 0,
    token_from: Annotated[
        str | None, typer.Option(metavar="NAME", help="The environment variable that holds the access token.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Show the live page in the browser, while a study runs or afterwards. Ctrl-C ends it."""
    from teststrip.views import server

    token = _secret(token_from)

    def announce(link: str) -> None:
        out.print(f"page    {link}", markup=False)
        if browser:
            typer.launch(link)

    with _opened(folder) as result:
        server.serve(result, host=host, port=port, token=token, announce=announce)


@app.command()
def export(
    folder: Folder,
    to: Annotated[str, typer.Option("--to", help="csv, parquet, contact-sheet, html, or a tracker.")],
    target: Annotated[Path | None, typer.Option("--out", "-o", help="The file. [default: in the study folder]")] = None,
    rows: Annotated[str | None, typer.Option(help="Contact sheet: the axis of the rows.")] = None,
    columns: Annotated[str | None, typer.Option(help="Contact sheet: the axis of the columns.")] = None,
    pick: Annotated[str | None, typer.Option(help="Contact sheet: median, best, worst or first of a cell.")] = None,
    side: Annotated[int | None, typer.Option(min=16, max=4096, help="Pixels of a picture's longer edge.")] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="Of the tracker; may be repeated.")
    ] = None,
) -> None:
    """Take results elsewhere: tables, contact sheets, one self-contained page, a tracker such as wandb."""
    from teststrip.verbs import export as exporting

    if to not in exporting.FORMATS and to in exporting.targets():
        with _opened(folder) as result:
            where = exporting.tell(result, to, **_pairs(option or []))
        out.print(f"told {to}" + (f": {where}" if where else ""), markup=False)
        return
    asked = {"rows": rows, "columns": columns, "pick": pick, "side": side}
    with _opened(folder) as result:
        written = exporting.write(
            result, to, target, **{key: value for key, value in asked.items() if value is not None}
        )
    out.print(f"wrote {written}", markup=False)


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
        _list("metrics", lambda kind: (kind.unit, _better(kind.higher_is_better), kind().card.about))
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


def _better(higher: bool | None) -> str:
    return {True: "higher", False: "lower", None: ""}[higher]


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0] if kind.__doc__ else ""


def _opened(folder: Path) -> Result:
    from teststrip.results.result import open_result

    return open_result(folder)


def _secret(variable: str | None) -> str | None:
    """A secret by the name of its environment variable: never on the command line, where every user can read it."""
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise UsageError(f"--token-from {variable}: there is no such environment variable, or it is empty")
    return os.environ[variable]


def _pairs(words: Sequence[str]) -> dict[str, Any]:
    """`KEY=VALUE` each, the value as in `--set`."""
    from teststrip.study.overrides import value_of

    pairs: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals and value):
            raise UsageError(f"--option {word!r} is not KEY=VALUE. Write --option project=teststrip")
        pairs[key] = value_of(value, word)
    return pairs


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str, allow_nan=False) + "\n")


def _usage(error: Exception) -> int:
    """A mistake on the command line, as Typer explains it."""
    show = getattr(error, "show", None)
    if show is not None:
        show()
    return int(getattr(error, "exit_code", 2) or 0)
