"""Commands that take a study by its file or the folder of its run: init, plan, run."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from teststrip import plugins
from teststrip.analysis.sentences.phrases import count
from teststrip.cli import libraries
from teststrip.cli.words import (
    INTERRUPTED,
    PARTIAL,
    Json,
    Out,
    Set,
    StudyFile,
    WithoutFailing,
    err,
    offered,
    out,
    print_json,
    print_text,
    room,
)
from teststrip.errors import UsageError
from teststrip.folder import REGISTERED_FILE, STUDY_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from teststrip.cli.watching import LivePage
    from teststrip.protocols import Tracker
    from teststrip.records import Study, VotesNeeded
    from teststrip.verbs.outcome import Outcome

app = typer.Typer()


@app.command()
def init(
    file: Annotated[
        str, typer.Argument(help="A file, or a folder that gets a study.toml. With --engine: the server's address.")
    ] = STUDY_FILE,
    then: Annotated[Path | None, typer.Argument(help="With --engine: the file or folder.", show_default=False)] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", help="Ask a server for a study that fits it: --engine webui http://127.0.0.1:7860"),
    ] = None,
) -> None:
    """Write a commented study file to start from; with an engine and a server's address, one that fits the server."""
    from teststrip.verbs import beginning

    if engine is None and then is not None:
        raise UsageError(f"one file is enough: {file} or {then}. A server's address goes with --engine")
    if engine and file.endswith(".toml"):
        raise UsageError(
            f"the server's address is missing. Write: teststrip init --engine {engine} http://HOST:PORT {file}"
        )
    path = (then or Path(STUDY_FILE)) if engine else Path(file)
    begun = beginning.begin(path, engine=engine, address=file if engine else "")
    out.print(
        f"wrote {begun.file}, and {begun.schema} beside it, by which editors complete and check the file", markup=False
    )
    if begun.provider:
        out.print("The study names the server; your own configuration says where it is. Add to it:", markup=False)
        out.print(f"\n{begun.provider}\n", markup=False)
    out.print(f"Next: [bold]teststrip plan {escape(str(begun.file))}[/]")


@app.command()
def plan(
    study: StudyFile,
    out_dir: Out = None,
    overrides: Set = None,
    calibrate: Annotated[bool, typer.Option(help="Make two images to estimate the time, if no run is known.")] = True,
    attempt: Annotated[
        bool, typer.Option("--try", help="Make a picture of each level in few steps, to see whether it can be made.")
    ] = False,
    without_failing: WithoutFailing = False,
    register: Annotated[
        bool, typer.Option("--register", help="Write the question into the folder and print its digest.")
    ] = False,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask the engine's own server whether it has all that the study names.")
    ] = False,
    votes: Annotated[bool, typer.Option("--votes", help="Also say what answers cost in raters' votes.")] = False,
    as_json: Json = False,
) -> None:
    """Show cells, images, what is done, cost, time, disk and what the design can see. Changes nothing else."""
    from teststrip.verbs import forecast
    from teststrip.verbs.register import register as registered

    overview = forecast.of(study, out_dir, overrides or [], attempt=attempt, without_failing=without_failing, ask=ask)
    made = registered(overview.study, overview.folder) if register else None
    priced = _priced(overview.study) if votes else ()
    unknown = calibrate and overview.summary.left and not overview.timed and forecast.measurable(overview)
    if not as_json:
        for line in forecast.lines(overview):
            out.print(line, markup=False)
    if unknown:
        err.print("[dim]no earlier images to judge by: making two images to estimate the time ...[/]")
        overview = forecast.calibrated(overview)
    if as_json:
        in_votes = {"votes": [asdict(one) for one in priced]} if votes else {}
        print_json({**forecast.as_json(overview), **({"registered": asdict(made)} if made else {}), **in_votes})
    else:
        out.print(forecast.time_line(overview), markup=False)
        if votes:
            _print_priced(priced)
        if made:
            out.print(f"Registered: {overview.folder / REGISTERED_FILE}, {made.at}, after {made.images:,} images")
            out.print(f"Digest: {made.digest}")


def _priced(study: Study) -> Sequence[VotesNeeded]:
    from teststrip.results import polling

    return polling.price(study)


def _print_priced(priced: Sequence[VotesNeeded]) -> None:
    from teststrip.analysis.sentences import votes as words

    for line in map(words.needed, priced):
        out.print(f"Votes: {line}", markup=False)
    if not priced:
        out.print("Votes: this study has no two settings to compare, or too many levels to say", markup=False)


@app.command()
def run(
    study: StudyFile,
    out_dir: Out = None,
    overrides: Set = None,
    limit: Annotated[
        int | None, typer.Option(min=0, max=sys.maxsize, help="Make at most this many images now.")
    ] = None,
    tracker: Annotated[
        list[str] | None,
        typer.Option(help="Also notify this tracker.", autocompletion=offered(lambda: plugins.installed("trackers"))),
    ] = None,
    allow_mixed: Annotated[
        bool, typer.Option("--allow-mixed", help="Keep images of other versions or weights.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Also try again what was refused or invalid.")] = False,
    pay_again: Annotated[
        bool, typer.Option("--pay-again", help="Also ask again for images that were perhaps paid and never came.")
    ] = False,
    executor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:WHERE]",
            help="Where engines run: local, processes (one for each GPU), processes:4, ray, ray:ADDRESS.",
            autocompletion=offered(lambda: plugins.installed("executors")),
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also print what Diffusers and Transformers say that changes no picture.")
    ] = False,
    without_failing: WithoutFailing = False,
    view: Annotated[bool, typer.Option("--view", help="Open the live page in the browser.")] = False,
    as_json: Json = False,
) -> None:
    """Make what is missing, score it, conclude, write page and report. Ctrl-C and again: goes on."""
    from teststrip import study as studies
    from teststrip.executors.named import configured, executor_of
    from teststrip.hosted import configuration
    from teststrip.results import scores
    from teststrip.study import syntax
    from teststrip.verbs import places
    from teststrip.verbs.resume import again
    from teststrip.verbs.run import drive

    if verbose:
        libraries.print_them()
    file, folder = places.of_study(study, out_dir)
    reader = studies.reopen if without_failing else studies.read
    asked = reader(file, overrides or [])
    for warning in (*syntax.hints(asked), *scores.warnings(asked)):
        err.print(f"warning: {warning}", markup=False)
    table = configuration.read().executor
    where = executor or configured(table)
    names = list(dict.fromkeys(["progress", *asked.trackers, *(tracker or [])]))
    with _live() if view else nullcontext() as live:
        listeners: list[str | Tracker] = [live, *names] if live else [*names]
        outcome = drive(
            asked,
            folder,
            limit=limit,
            trackers=listeners,
            allow_mixed=allow_mixed,
            retry=retry,
            pay_again=pay_again,
            executor=executor_of(where, table) if where else None,
            without_failing=without_failing,
            say=lambda sentence: err.print(f"warning: {sentence}", markup=False),
        )
        more = again(
            study,
            out_dir,
            overrides=overrides or [],
            trackers=tracker or [],
            allow_mixed=allow_mixed,
            retry=retry,
            pay_again=pay_again,
            without_failing=without_failing,
            executor=executor,
        )
        _said(outcome, more, as_json=as_json)
        if live and not outcome.interrupted:
            live.linger()
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    if outcome.failed or outcome.final or outcome.unknown or outcome.broke:
        raise typer.Exit(PARTIAL)


def _live() -> LivePage:
    from teststrip.cli.watching import LivePage

    return LivePage()


def _said(outcome: Outcome, more: str, *, as_json: bool) -> None:
    """Print what a run did and where, and close its result.

    Args:
        outcome: of the run.
        more: the command that goes on after an interruption.
        as_json: on standard output, as one object.
    """
    from teststrip.verbs import account
    from teststrip.verbs.outcome import views_of
    from teststrip.views import report

    result = outcome.result
    if as_json:
        print_json({**outcome.as_json(), "report": report.as_json(result)})
    elif outcome.interrupted:
        images = count(outcome.left, "image")
        left = f"{images} left to make" if outcome.left else "no image is left to make, scores may be"
        err.print(f"stopped; {left}. To go on: [bold]{escape(more)}[/]")
    else:
        print_text(report.text(result, room()))
        for name, where in {**views_of(result.folder), **outcome.where}.items():
            out.print(f"{name:<7} {where}", markup=False)
    elsewhere = result.retired
    result.close()
    if elsewhere:
        images = count(elsewhere, "image")
        err.print(f"the folder keeps {images} that this study does not ask for; page and report leave out such images")
    if outcome.broke:
        err.print(f"stopped by the limit of money: {outcome.broke}", markup=False)
    if outcome.unknown:
        err.print(account.told(outcome.unknown, outcome.to_pay_again), markup=False)
    if outcome.final:
        were = "was" if outcome.final == 1 else "were"
        err.print(f"{count(outcome.final, 'shot')} failed for good before and {were} not tried again; --retry does")
