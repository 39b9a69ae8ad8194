"""The command `import`: pictures that exist already become a study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from teststrip import plugins
from teststrip.cli.words import Json, err, offered, out, print_json, print_text, room
from teststrip.errors import UsageError

app = typer.Typer()


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="A folder of pictures; a CSV beside them wins.", show_default=False)],
    out_dir: Annotated[Path | None, typer.Option("--out", "-o", help="A new folder for the study.")] = None,
    axis: Annotated[
        list[str] | None,
        typer.Option("--axis", metavar="NAME", help="Also make this setting an axis; may be repeated."),
    ] = None,
    renamed: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="WORD=SETTING", help="What a word of a tool means: steps=num_inference_steps."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help="Score of the study; may be repeated.",
            autocompletion=offered(lambda: plugins.installed("metrics")),
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what was understood; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Make a study of pictures that exist: A1111, ComfyUI, Midjourney and others; report and page then read it."""
    from teststrip.verbs import imported, importing
    from teststrip.verbs.outcome import views_of
    from teststrip.views import report

    if out_dir is None and not dry_run:
        raise UsageError("--out is missing. Name a new folder for the study, or look first with --dry-run")
    found = importing.prepare(source, axes=axis or [], renamed=_pairs(renamed or []), metrics=metric or [])
    if dry_run or out_dir is None:
        if as_json:
            print_json(imported.as_json(found))
        else:
            out.print("\n".join(imported.lines(found, whole=True)), markup=False)
        return
    if not as_json:
        err.print("\n".join(imported.lines(found, whole=False)), markup=False)
    outcome = importing.carry_out(found, out_dir)
    if as_json:
        print_json({**imported.as_json(found), **outcome.as_json()})
    else:
        print_text(report.text(outcome.result, room()))
        for name, where in views_of(outcome.result.folder).items():
            out.print(f"{name:<7} {where}", markup=False)
    outcome.result.close()


def _pairs(words: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        key, equals, value = word.rpartition("=")
        if not (key and equals and value):
            raise UsageError(f"--map {word!r} is not WORD=SETTING. Write --map steps=num_inference_steps")
        pairs[key.strip()] = value.strip()
    return pairs
