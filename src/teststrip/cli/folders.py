"""Commands that take a run by its folder or its study file: report, best, verify, view, export."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from teststrip.analysis.sentences.phrases import count
from teststrip.cli.voting import Browser, Host, Port, Raters, Token, serve
from teststrip.cli.words import (
    PARTIAL,
    Folder,
    Json,
    Yes,
    err,
    offered,
    opened,
    out,
    print_json,
    print_text,
    room,
    tell,
)
from teststrip.elsewhere import is_url
from teststrip.errors import UsageError
from teststrip.folder import QUARANTINE

app = typer.Typer()


@app.command()
def report(
    folder: Folder,
    full: Annotated[bool, typer.Option("--full", help="All tables, methods and limits.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Print the answer, what was found and the best settings; with --full all tables, with --json everything."""
    from teststrip.views import report as reports

    with opened(folder, yes=yes) as result:
        if as_json:
            print_json(reports.as_json(result))
        elif markdown:
            out.print(reports.full_markdown(result) if full else reports.markdown(result), markup=False)
        else:
            print_text(reports.full_text(result) if full else reports.text(result, room()))


@app.command()
def best(
    folder: Folder,
    metric: Annotated[
        str | None, typer.Option(help="Only by this score. Default: each that says which end is good.")
    ] = None,
    budget: Annotated[str | None, typer.Option(help="What a picture may cost: 4s, '50 calls' or '0.02 USD'.")] = None,
    by: Annotated[Literal["scores", "votes"], typer.Option(help="What decides: scores, or raters' votes.")] = "scores",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Name the cheapest setting that is not worse, or say why none can be named."""
    from teststrip.views import report as reports

    if by == "votes" and metric:
        raise UsageError("--metric names a score, and --by votes goes by votes. Leave one of them out")
    with opened(folder, yes=yes) as result:
        if by == "votes" and as_json:
            print_json(reports.best_by_votes_as_json(result, budget))
        elif by == "votes":
            print_text(reports.best_by_votes(result, budget))
        elif as_json:
            print_json(reports.best_as_json(result, metric, budget))
        else:
            print_text(reports.best_text(result, metric, budget))


@app.command()
def compare(
    folder: Folder,
    other: Annotated[Path, typer.Argument(help="Another one, made with another version.", show_default=False)],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Compare two folders of one study: are the pictures the same, and are they as good?"""
    from teststrip.verbs import compare as comparing

    with opened(folder, yes=yes) as first, opened(other, yes=yes) as second:
        comparison = comparing.of(first, second)
    tell(comparison, as_json=as_json)


@app.command()
def verify(
    folder: Folder,
    sample: Annotated[str, typer.Option(help="Also make this share again and compare: '2%' or a number.")] = "0",
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="First make a new ledger out of the images; the old one is kept.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Re-hash every image; with --sample, make some of them again and compare."""
    from teststrip import store
    from teststrip.verbs import places
    from teststrip.verbs import verify as verification

    if rebuild:
        folder = places.of_run(folder)
        images = count(store.rebuild(folder), "image")
        err.print(f"the new ledger holds {images}; the old one is in {folder / QUARANTINE}", markup=False)

    with opened(folder, yes=yes) as result:
        outcome = verification.verify(result, sample)
    tell(outcome, as_json=as_json)
    if not outcome.good:
        raise typer.Exit(PARTIAL)


@app.command()
def view(
    folder: Folder,
    host: Host = "127.0.0.1",
    port: Port = 0,
    token_from: Token = None,
    browser: Browser = True,
    raters: Raters = None,
    yes: Yes = False,
) -> None:
    """Show the live page in the browser, while a study runs or afterwards. Ctrl-C ends it."""
    serve(folder, raters=raters, host=host, port=port, token_from=token_from, browser=browser, yes=yes)


def _targets() -> Iterable[str]:
    from teststrip.verbs import export as exports

    return exports.targets()


@app.command()
def export(
    folder: Folder,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="csv, parquet, contact-sheet, html, findings, settings, figures-svg, figures-pdf, atlas, a tracker.",
            autocompletion=offered(_targets),
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            help="The file or the folder; a URL, too: s3://bucket/a.csv. The suffix .tex makes findings and settings "
            "LaTeX. [default: in the study folder]",
        ),
    ] = None,
    rows: Annotated[str | None, typer.Option(help="Contact sheet: the axis of the rows.")] = None,
    columns: Annotated[str | None, typer.Option(help="Contact sheet: the axis of the columns.")] = None,
    pick: Annotated[str | None, typer.Option(help="Contact sheet: typical, median, best, worst or first.")] = None,
    side: Annotated[
        int | None, typer.Option(min=16, max=4096, help="Contact sheet, atlas: pixels of a picture's longer edge.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="Of the tracker; may be repeated.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Take results elsewhere: tables, figures, contact sheets, one self-contained page, a tracker such as wandb."""
    from teststrip.verbs import export as exports

    if to not in exports.formats() and to in exports.targets():
        with opened(folder, yes=yes) as result:
            where = exports.notify(result, to, **_pairs(option or []))
        out.print(f"sent to {to}" + (f": {where}" if where else ""), markup=False)
        return
    asked = {"rows": rows, "columns": columns, "pick": pick, "side": side}
    given: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
    with opened(folder, yes=yes) as result:
        if target and is_url(target):
            exports.send(result, to, target, **given)
            written: object = target
        else:
            written = exports.write(result, to, Path(target) if target else None, **given)
    out.print(f"wrote {written}", markup=False)


def _pairs(words: Sequence[str]) -> dict[str, Any]:
    """The keys and values of `KEY=VALUE` words; a value is written as in `--set`."""
    from teststrip.study.overrides import value_of

    pairs: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals and value):
            raise UsageError(f"--option {word!r} is not KEY=VALUE. Write --option project=teststrip")
        pairs[key] = value_of(value, word)
    return pairs
