"""`python -m tools.floor_plan` writes the table of floors in docs/floor-plan.md.

The floors are read from the first contract of `.importlinter` that orders the whole package; the sentence about a room
is the first sentence of its docstring. Knows nothing of the rooms themselves and imports none of them.
"""

from __future__ import annotations

import ast
import re
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "teststrip"
PAGE = ROOT / "docs" / "floor-plan.md"
BEGIN = "<!-- Generated from .importlinter and the docstrings of the rooms: make docs -->"
END = "<!-- End of what is generated -->"


def page(text: str) -> str:
    """The page with the table of today between the two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}{END}{after}"


def table() -> str:
    """One row a room, the highest floor first; last the rooms that stand on no floor."""
    drawn = [[name for name in floor if sentence(name)] for floor in read_floors()]
    floors = [floor for floor in drawn if floor]
    lines = ["| floor | room | what lives there |", "|---|---|---|"]
    for height, floor in zip(reversed(range(len(floors))), floors, strict=True):
        lines += [_row(str(height), name) for name in floor]
    beside = {name for name in rooms() if name not in {name for floor in floors for name in floor}}
    lines += [_row("beside", name) for name in sorted(beside)]
    return "\n".join(lines) + "\n"


def read_floors() -> list[list[str]]:
    """The rooms of each floor, from the top, as the contract names them."""
    contracts = ConfigParser()
    contracts.read(ROOT / ".importlinter", encoding="utf-8")
    for name in contracts.sections():
        contract = contracts[name]
        containers = contract.get("containers", "teststrip").split()
        if contract.get("type") == "layers" and containers == ["teststrip"]:
            layers = contract["layers"].strip().splitlines()
            return [[_room(part) for part in re.split(r"[|:]", layer)] for layer in layers if layer.strip()]
    raise ValueError(".importlinter has no layers of the whole package")


def rooms() -> list[str]:
    """The names of all modules and packages right below `teststrip`."""
    found = [path.parent if path.name == "__init__.py" else path for path in PACKAGE.glob("*/__init__.py")]
    return [path.stem for path in [*found, *PACKAGE.glob("*.py")] if path.name != "__init__.py"]


def sentence(room: str) -> str | None:
    """The first sentence of a room's docstring; None for a room that is not built yet."""
    file = next((path for path in (PACKAGE / f"{room}.py", PACKAGE / room / "__init__.py") if path.is_file()), None)
    if file is None:
        return None
    text = " ".join((ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split())
    return re.split(r"(?<=[.!?])\s", text)[0]


def _room(part: str) -> str:
    """`(teststrip.cli)`, an optional layer with its full name, is the room `cli`."""
    return part.strip().strip("()").strip().removeprefix("teststrip.")


def _row(floor: str, room: str) -> str:
    name = f"{room}/" if (PACKAGE / room).is_dir() else room
    return f"| {floor} | `{name}` | {(sentence(room) or '').replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
