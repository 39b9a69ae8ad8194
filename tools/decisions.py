"""`python -m tools.decisions` writes docs/decisions/README.md: a line for each decision, from its title."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "decisions"
PAGE = FOLDER / "README.md"
HEAD = """# Decisions

Ten lines each: the context, the choice, and what would change our mind. `make docs` writes this list.

"""


def page() -> str:
    """The list of all decisions, by number."""
    files = sorted(FOLDER.glob("[0-9]*.md"))
    titles = (file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ") for file in files)
    return HEAD + "".join(f"- [{title}]({file.name})\n" for title, file in zip(titles, files, strict=True))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
