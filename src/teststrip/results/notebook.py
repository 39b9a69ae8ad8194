"""A study in a notebook's cell: a few lines and a grid, as HTML. Knows Pillow and HTML; nothing of studies."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

# A notebook has its own colours, dark or light, so the element inherits them.
STYLE = "font-family:inherit;line-height:1.45;max-width:60em"


def html(*, title: str, facts: str, sentences: Sequence[str], grid: Picture | None, caption: str = "") -> str:
    """One HTML element without scripts. Every text is escaped.

    Args:
        title: the first line, bold.
        facts: behind the title, in small letters.
        sentences: conclusions, most important first.
        grid: a picture, or None.
        caption: what the picture shows.
    """
    parts = [f'<div style="{STYLE}">', f"<p><b>{_text(title)}</b> <small>{_text(facts)}</small></p>"]
    if sentences:
        parts.append("<ul>" + "".join(f"<li>{_text(sentence)}</li>" for sentence in sentences) + "</ul>")
    if grid is not None:
        described = _text(caption or title)
        parts.append(f'<img style="max-width:100%" alt="{described}" src="{_data(grid)}">')
        if caption:
            parts.append(f"<p><small>{described}</small></p>")
    return "".join([*parts, "</div>"])


def _text(text: str) -> str:
    return escape(text.encode("utf-8", "replace").decode())


def _data(picture: Picture) -> str:
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
