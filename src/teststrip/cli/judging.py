"""What `teststrip vote --judge` prints: a line that grows while a model votes, and at the end what became of it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from teststrip.analysis.sentences.phrases import count, money
from teststrip.cli.words import INTERRUPTED, PARTIAL, err, opened, out

if TYPE_CHECKING:
    from teststrip.verbs.judging import Outcome

MOST_REASONS = 6
"""Reasons without an answer that are told one by one."""


def vote(folder: Path, judge: str, *, pairs: int, pay_again: bool, yes: bool) -> None:
    """Let a judge vote, and say how it went."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from teststrip.verbs import judging

    columns = (TextColumn("  {task.description}"), BarColumn(bar_width=36), MofNCompleteColumn(), TimeRemainingColumn())
    with opened(folder, yes=yes) as result, Progress(*columns, console=err, disable=not err.is_terminal) as bar:
        task = bar.add_task("pairs", total=pairs)
        found = judging.vote(
            result,
            judge,
            pairs=pairs,
            pay_again=pay_again,
            told=lambda so_far: bar.update(task, completed=so_far.voted),
        )
    _tell(found, folder, judge)
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)
    if found.failed or found.lost or found.broke:
        raise typer.Exit(PARTIAL)


def _tell(found: Outcome, folder: Path, judge: str) -> None:
    turned = f", {found.turned:,} of them ties because the order changed the answer" if found.turned else ""
    out.print(f"{judge} voted on {count(found.voted, 'pair')}{turned}", markup=False)
    if cost := " + ".join(money(amount, currency) for currency, amount in found.spent.items() if amount):
        out.print(f"at most {cost}", markup=False)
    for why, times in found.failed.most_common(MOST_REASONS):
        err.print(f"{times:,} without an answer: {why}", markup=False)
    if others := sum(times for _, times in found.failed.most_common()[MOST_REASONS:]):
        err.print(f"{others:,} without an answer for other reasons", markup=False)
    if found.broke:
        err.print(f"stopped by the limit of money: {found.broke}. Raise [budget] money to go on", markup=False)
    if found.lost:
        were = "question was" if found.lost == 1 else "questions were"
        err.print(
            f"{found.lost:,} {were} sent and no answer came: perhaps paid, so not asked again. --pay-again asks again",
            markup=False,
        )
    if found.interrupted:
        more = f"teststrip vote {shlex.quote(str(folder))} --judge {judge}"
        err.print(f"stopped; what was voted is kept. To go on: {more}", markup=False)
    elif found.exhausted:
        out.print("there is no further pair to ask", markup=False)
    out.print(f"see     teststrip votes show {shlex.quote(str(folder))}", markup=False)
