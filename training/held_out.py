"""What is kept from training: combinations, templates and prompts, drawn once with a seed into held_out.json.

The file is the truth: composing reads it. Run `python -m training.held_out` only before a training from nothing.
"""

import itertools
import json
import random
from dataclasses import dataclass
from functools import cache

from training.settings import HERE
from training.words import (
    BACKGROUNDS,
    BOAT_COLOURS,
    COLOURS,
    DEMO_PAIRS,
    HELD_OUT_TEMPLATES,
    PEOPLE,
    SCENES,
    THINGS,
    with_article,
)  # fmt: skip

FILE = HERE / "held_out.json"
SHARE = 0.08  # of each kind of combination

Combination = tuple[str, str]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Combinations never composed for training, and the prompts made of them."""

    combinations: frozenset[Combination]
    templates: tuple[str, ...]
    single_prompts: tuple[str, ...]
    composition_prompts: tuple[str, ...]


def pair(first: str, second: str) -> Combination:
    """A combination of two objects: order does not matter."""
    return (first, second) if first < second else (second, first)


@cache
def load() -> HeldOut:
    """The contents of held_out.json."""
    raw = json.loads(FILE.read_text(encoding="utf-8"))
    return HeldOut(
        frozenset(tuple(c) for c in raw["combinations"]),
        tuple(raw["templates"]),
        tuple(raw["single_prompts"]),
        tuple(raw["composition_prompts"]),
    )


def draw(seed: int) -> HeldOut:
    """Draw what is held out."""
    r = random.Random(seed)
    kinds: dict[str, list[Combination]] = {
        "pair": [pair(a, b) for a, b in itertools.combinations(THINGS, 2)],
        "background": [(t, f"background {b}") for t in THINGS for b in BACKGROUNDS],
        "colour": [(t, f"colour {c}") for t in THINGS if t not in PEOPLE for c in COLOURS],
        "scene": [(t, f"scene {s}") for t in THINGS for s in SCENES],
        "boat": [(t, f"boat {c}") for t in THINGS for c in BOAT_COLOURS],
    }
    held = {}
    for kind, every in kinds.items():
        free = [c for c in every if c not in DEMO_PAIRS]
        held[kind] = r.sample(free, int(SHARE * len(free)))

    used: set[str] = set()

    def fresh(kind: str, count: int) -> list[Combination]:
        """`count` held-out combinations whose objects no earlier prompt of this list has."""
        chosen = []
        for combination in held[kind]:
            things = {part for part in combination if part in THINGS}
            if len(chosen) < count and not things & used:
                chosen.append(combination)
                used.update(things)
        assert len(chosen) == count
        return chosen

    def value(combination: Combination) -> str:
        return combination[1].split(" ", 1)[1]

    singles = [with_article(f"{value(c)} {c[0]}") for c in fresh("colour", 12)]
    singles += [f"{with_article(c[0])} on a {value(c)} background" for c in fresh("background", 14)]
    plain = r.sample([t for t in THINGS if t not in used], 14)
    singles += [HELD_OUT_TEMPLATES[i % 5].format(a=with_article(t)) for i, t in enumerate(plain)]

    used.clear()
    compositions = [f"{with_article(a)} and {with_article(b)}" for a, b in fresh("pair", 16)]
    compositions += [f"{with_article(a)} and {with_article(b)} in a boat" for a, b in fresh("pair", 8)]
    compositions += [f"{with_article(c[0])} against {SCENES[value(c)][0][0]}" for c in fresh("scene", 8)]
    compositions += [f"{with_article(c[0])} in a {value(c)} boat" for c in fresh("boat", 8)]
    every = frozenset(c for some in held.values() for c in some)
    return HeldOut(every, HELD_OUT_TEMPLATES, tuple(singles), tuple(compositions))


def main() -> None:
    """Write held_out.json."""
    held = draw(seed=7)
    lines = ",\n".join(f"  {json.dumps(c)}" for c in sorted(held.combinations))
    parts = [
        f'"{name}": [\n' + ",\n".join(f"  {json.dumps(v)}" for v in getattr(held, name)) + "\n]"
        for name in ("templates", "single_prompts", "composition_prompts")
    ]
    FILE.write_text("{\n" + ",\n".join([*parts, f'"combinations": [\n{lines}\n]']) + "\n}\n", encoding="utf-8")
    print(f"{FILE.name}: {len(held.combinations)} combinations, {len(held.single_prompts)} + "
          f"{len(held.composition_prompts)} prompts")  # fmt: skip


if __name__ == "__main__":
    main()
