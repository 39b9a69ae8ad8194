"""The page `docs/other-tools.md`: words of other tools and what they are here, from the tables that translate them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from teststrip.study.syntax import MARKS
from teststrip.vocabulary import FOREIGN, NO_SAMPLERS, SAMPLER_NAMES, SPACINGS, SYNONYMS

HEAD = """# Coming from other tools

<!-- Generated from the tables that check a study: python -m teststrip.study tools > docs/other-tools.md -->

A study file is read with the words of A1111, Forge, ComfyUI, SwarmUI and InvokeAI where they have a meaning here. Where
they have none, an error or a hint of `teststrip plan` says what to write. Capitals, spaces and hyphens in a name do not
matter: `CFG scale` is `cfg_scale`.

## Settings

| there | here |
|---|---|
"""
NONE_HERE = """
## Settings that are none here

| there | here |
|---|---|
"""
SAMPLERS = """
## Samplers

`sampler = ["Euler a", "UniPC"]` works as it stands. A sampler with options is a class whose options stand in
`scheduler/scheduler_config.json` of a copy of the model; the error says which. `dpmpp` is also written DPM++.

| there | here |
|---|---|
"""
SPACED = """
Behind the name of a sampler, or as ComfyUI's scheduler:

| there | here |
|---|---|
"""
MISSING = """
Without a counterpart in Diffusers: {names}.
"""
PROMPTS = """
## Prompts

A prompt is given to the model as it is written. `teststrip plan` and `run` say which prompts hold words of other tools,
and change nothing.

| there | of | means there | here |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    samplers = ((f"`{name}`", _class(*meant)) for name, meant in SAMPLER_NAMES.items())
    spacings = ((f"`{name}`", _options(options) or "the class as it is") for name, options in SPACINGS.items())
    marks = ((f"`{mark.example}`", mark.tools, mark.means, mark.here) for mark in MARKS)
    return "".join(
        (
            HEAD,
            _rows((f"`{old}`", f"`{new}`") for old, new in SYNONYMS.items()),
            NONE_HERE,
            _rows((f"`{name}`", f"{means}.") for name, means in FOREIGN.items()),
            SAMPLERS,
            _rows(samplers),
            SPACED,
            _rows(spacings),
            MISSING.format(names=", ".join(f"`{name}`" for name in sorted(NO_SAMPLERS))),
            PROMPTS,
            _rows(marks),
        )
    )


def _rows(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows of a table; a bar inside a cell would end the cell."""
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


def _class(name: str, options: Mapping[str, object]) -> str:
    return f"`{name}`" + (f" with {_options(options)}" if options else "")


def _options(options: Mapping[str, object]) -> str:
    return ", ".join(f"`{name} = {str(value).lower()}`" for name, value in options.items())
