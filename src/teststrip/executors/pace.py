"""Makes a few shots of one engine and prints how long a denoiser call takes. `forecast` runs this module as a process.

Standard input holds JSON with engine name, options, operation and the settings of the shots. The last shot is measured,
so that the time of loading weights counts only where there is one shot. Standard output holds one JSON object:
the seconds, or under "missing" the remedy where a package is not installed.
"""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout

from teststrip import plugins
from teststrip.errors import EngineError, MissingExtra, TeststripError
from teststrip.executors.local import open_engine
from teststrip.records import EngineRef, Failure, Render, Shot


def seconds_per_call(ref: EngineRef, shots: list[Shot]) -> float:
    """The engine's own seconds for the last of these shots, divided by its denoiser calls where the engine counts them.

    Raises:
        EngineError: a shot failed.
    """
    engine = open_engine(ref)
    try:
        renders: list[Render] = []
        for shot in shots:
            for answer in engine.render([shot]):
                if isinstance(answer, Failure):
                    raise EngineError(answer.text)
                renders.append(answer)
        last = renders[-1]
        return last.seconds / (engine.calls(last.shot.settings) or 1)
    finally:
        engine.close()


def main() -> int:
    """Read the shots, measure, print the seconds.

    Returns:
        The exit code of the process.
    """
    asked = json.load(sys.stdin)
    ref = EngineRef(asked["name"], asked["options"], asked["operation"])
    try:
        with redirect_stdout(sys.stderr):  # a library that prints must not spoil the one line
            seconds = seconds_per_call(ref, [Shot(ref, settings, files) for settings, files in asked["shots"]])
    except (MissingExtra, ModuleNotFoundError) as error:
        missing = plugins.missing(error) if isinstance(error, ModuleNotFoundError) else error
        sys.stdout.write(json.dumps({"missing": str(missing)}) + "\n")
        return 0
    except TeststripError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps({"seconds_per_call": seconds}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
