"""Commands of the eye: vote, and votes show, page, add."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from teststrip.analysis.sentences.phrases import count
from teststrip.cli.words import Folder, Json, Yes, err, opened, out, print_json, print_text
from teststrip.errors import UsageError

app = typer.Typer()
votes = typer.Typer(no_args_is_help=True, help="What raters said: show it, take it in, or write a page to vote on.")

MOST_RATERS = 100
Raters = Annotated[
    str | None,
    typer.Option(
        help="Also a link for each rater, which opens the voting alone: a number, or names with commas: 3, or ana,ben.",
        show_default=False,
    ),
]
Host = Annotated[str, typer.Option(help="Address to listen on. Any but loopback needs --token-from.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 = any free port.")]
Token = Annotated[
    str | None, typer.Option(metavar="NAME", help="The environment variable that holds the access token.")
]
Browser = Annotated[bool, typer.Option(help="Open the page in the browser.")]


@app.command()
def vote(
    folder: Folder,
    raters: Raters = None,
    host: Host = "127.0.0.1",
    port: Port = 0,
    token_from: Token = None,
    browser: Browser = True,
    judge: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Let a model vote: [judges.NAME] of your configuration. Opens no page."),
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, max=100_000, help="Of a judge: at most so many pairs now.")] = 100,
    pay_again: Annotated[
        bool, typer.Option("--pay-again", help="Of a judge: ask again what was refused, lost or not to be read.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Compare two pictures at a time, without knowing which is which. Ctrl-C ends it."""
    from teststrip.views.gate import VOTING

    if judge is not None:
        from teststrip.cli import judging

        judging.vote(folder, judge, pairs=pairs, pay_again=pay_again, yes=yes)
        return
    serve(folder, raters=raters, host=host, port=port, token_from=token_from, browser=browser, yes=yes, at=VOTING)


@votes.command()
def show(folder: Folder, yes: Yes = False, as_json: Json = False) -> None:
    """Tell how many votes there are and whose, and what they say, with intervals."""
    from teststrip.analysis.sentences import votes as words
    from teststrip.results import polling
    from teststrip.store.votes import VoteFile
    from teststrip.views import report

    with opened(folder, yes=yes) as result:
        file = VoteFile(result.folder)
        cast = file.votes()
        needed = polling.chooser(result.study)(result.rows()).needed(cast)
        polled = result.polled
    raters: dict[str, Counter[str]] = {}
    for vote in cast:
        raters.setdefault(vote.rater, Counter())[vote.choice] += 1
    if as_json:
        kinds = Counter(vote.pair.kind for vote in cast)
        counts = {"votes": len(cast), "needed": needed, "kinds": kinds, "raters": raters, "damaged": file.damaged}
        print_json({**counts, "polled": report.plain([asdict(one) for one in polled])})
        return
    out.print(f"{count(len(cast), 'vote')}, {needed or 'none'} still needed", markup=False)
    for name, said in raters.items():
        shares = ", ".join(f"{choice} {n}" for choice, n in said.items())
        out.print(f"  {name}: {count(said.total(), 'vote')} ({shares})", markup=False)
    if file.damaged:
        out.print(f"{count(file.damaged, 'line')} of the votes' file cannot be read and do not count", markup=False)
    if cast and not polled:
        out.print("What they say is not reckoned: there is nothing to compare, or there are more than 64 levels")
    for one in polled:
        print_text("\n".join(["", words.headline(one), *(f"  * {line}" for line in words.told(one))]) + "\n")


@votes.command()
def page(
    folder: Folder,
    target: Annotated[Path | None, typer.Option("--out", "-o", help="The file. [default: vote-NAME.html here]")] = None,
    pairs: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 60,
    yes: Yes = False,
) -> None:
    """Write a page to vote on without a server, in one file: to mail, or to put on any host."""
    from teststrip.results import polling
    from teststrip.views import printed
    from teststrip.views.voting import Poll

    with opened(folder, yes=yes) as result:
        where = target or Path(f"vote-{result.folder.name}.html")
        poll = Poll(result.folder, result.rows, chooser=polling.chooser(result.study))
        written = printed.write(poll, result.folder, where, pairs)
    out.print(f"wrote {where} with {count(written, 'pair')}", markup=False)


@votes.command()
def add(
    folder: Folder,
    files: Annotated[list[Path], typer.Argument(help="Files that raters downloaded.", show_default=False)],
    yes: Yes = False,
) -> None:
    """Take in the votes that raters downloaded from a page. A file that is added twice counts once."""
    from teststrip.store.votes import VoteFile
    from teststrip.views import printed

    with opened(folder, yes=yes) as result:
        for file in files:
            if not file.is_file():
                raise UsageError(f"{file}: there is no such file")
            cast = printed.taken(result.folder, file)
            kept = VoteFile(result.folder)
            other = printed.changed(cast, kept.votes())
            fresh = kept.add(cast)
            said = f"{count(fresh, 'new vote')} of {count(len(cast), 'vote')}"
            out.print(f"{file}: {said}" + (f" by {cast[0].rater}" if cast else ""), markup=False)
            if other:
                err.print(
                    f"{file}: {count(other, 'vote')} by {cast[0].rater} came before with another answer, and the first "
                    "answer counts. If this is another person of that name, write another `rater` into the file",
                    markup=False,
                )


def serve(
    folder: Path,
    *,
    raters: str | None,
    host: str,
    port: int,
    token_from: str | None,
    browser: bool,
    yes: bool,
    at: str = "/",
) -> None:
    """Serve the live page; `at` is the part of it that is opened."""
    from teststrip.cli.opening import Announcer
    from teststrip.cli.words import secret
    from teststrip.views import server
    from teststrip.views.voting import OWNER, names

    invited = names(raters or "")
    if OWNER in invited:
        raise UsageError(f"--raters: your own votes are kept under the name {OWNER!r}. Give that rater another name")
    if len(invited) > MOST_RATERS or any(len(name) > 60 or not name.isprintable() for name in invited):
        raise UsageError(
            f"--raters takes at most {MOST_RATERS}, by names of at most 60 letters. Write --raters ana,ben"
        )

    def invite(rater: str, link: str) -> None:
        out.print(f"rater   {link}   ({rater})", markup=False)

    token = secret(token_from)
    with opened(folder, yes=yes) as result, Announcer(browser=browser) as announce:
        server.serve(result, host=host, port=port, token=token, announce=announce, raters=invited, invite=invite, at=at)
