"""The command line: words in, one call, words out. This room turns every error into one line and an exit code.

    studies   init, plan, run                          parts   engines, metrics, trackers, doctor, schema
    importing import
    voting    vote, votes show, votes page, votes add
    folders   report, best, compare, verify, ...       words   what all commands share
    opening   the browser, and a tunnel to it          edge    what the system refuses
    watching  the live page of `run --view`            libraries  what Diffusers and others say

Exit codes: 0 done; 1 a fault of ours; 2 the study or the command is wrong, or the system refuses; 3 some shots failed;
4 another run holds the folder; 130 stopped; 141 what reads standard output is gone. To add a command, write a function
in the file of its kind that makes one call.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.markup import escape

from teststrip import __version__
from teststrip.characters import printable
from teststrip.cli import folders, importing, libraries, parts, studies, voting
from teststrip.cli.edge import fault, refused
from teststrip.cli.words import INTERRUPTED, err, out
from teststrip.errors import TeststripError, shortened
from teststrip.screen import make_writable

app = typer.Typer(
    help="Find the right settings of a text-to-image model, with evidence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def top(
    version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False,
) -> None:
    """Find the right settings of a text-to-image model, with evidence."""
    if version:
        out.print(f"teststrip {__version__}")
        raise typer.Exit


for commands in (studies.app, importing.app, folders.app, voting.app, parts.app):
    app.registered_commands += commands.registered_commands
app.add_typer(voting.votes, name="votes")


def main() -> None:
    """Run a command, and turn what went wrong into one line and an exit code."""
    make_writable()
    libraries.hush()
    try:
        code = app(standalone_mode=False)
    except TeststripError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        _say(refused(error))
        sys.exit(TeststripError.exit_code)
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(INTERRUPTED)
    except (typer.TyperException, typer.Exit, typer.Abort) as error:
        sys.exit(_usage(error))
    except Exception as error:  # the last net, because a traceback helps no user
        _say(fault(error))
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _say(message: str) -> None:
    err.print(f"[bold red]teststrip:[/] {escape(message)}")


def _usage(error: Exception) -> int:
    """Let Typer explain a mistake on the command line.

    Returns:
        The exit code that Typer gives the mistake.
    """
    if isinstance(message := getattr(error, "message", None), str):
        error.message = printable(shortened(message))  # type: ignore[attr-defined]  # it has one, as just seen
    show = getattr(error, "show", None)
    if show is not None:
        show()
    return int(getattr(error, "exit_code", 2) or 0)
