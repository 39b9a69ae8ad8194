"""What a reader must know before believing a verdict: scores that do not know the pictures, what was registered."""

from __future__ import annotations

from teststrip.analysis.sentences.phrases import capital, listed
from teststrip.records.looked import Registration
from teststrip.vocabulary import spoken


def misfit(metric: str, why: str) -> str:
    """The warning of a score that knows nothing of a study's pictures.

    >>> print(misfit("clip_score", "it reads emoji"))
    CLIP score recommends nothing here, because it reads emoji. Give it another model under [metrics.clip_score].
    """
    name = spoken(metric)
    remedy = f"Give it another model under [metrics.{metric}]"
    return f"{capital(name)} recommends nothing here, because {why}. {remedy}."


def registered(made: Registration) -> str:
    """When the question was registered, under which digest, and whether it is asked as it was registered.

    >>> print(registered(Registration("0123456789abcdef0123", "2026-11-28T09:00:00Z", 0, ("margin",))))
    The question was registered on 2026-11-28T09:00:00Z before the first image, digest 0123456789abcdef (`sha256sum \
registered.toml` prints all of it). It is not the registered one any more: margin differs.
    """
    if not made.at:
        return "registered.toml is not as Teststrip writes it, so nothing is known of a registered question."
    images = "1 image" if made.images == 1 else f"{made.images:,} images"
    when = f"after {images}" if made.images else "before the first image"
    digest = f"digest {made.digest[:16]} (`sha256sum registered.toml` prints all of it)"
    kept = "The question is still the registered one."
    if made.changed:
        differ = "differs" if len(made.changed) == 1 else "differ"
        kept = f"It is not the registered one any more: {listed(list(made.changed))} {differ}."
    return f"The question was registered on {made.at} {when}, {digest}. {kept}"
