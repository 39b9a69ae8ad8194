"""Simulated raters as votes: careful ones, and one persona for each way in which votes can go wrong.

Pairs come from the product's own booth, answers from `bench.polls`. Each persona spoils the votes in one way alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
from bench import polls
from bench.polls import Poll

from teststrip.analysis.numbers import columns
from teststrip.analysis.votes import choice, strengths
from teststrip.analysis.votes.choice import Offer
from teststrip.records import Choice, Pair, Place, Side, Vote

WORLD = Poll(
    levels=((0.0, 0.6, 1.2, 1.0),), prompts=24, seeds=2, raters=3, prompt_sd=0.4, seed_sd=0.4, rater_sd=0.3, lapse=0.02
)
"""Careful raters who differ a little."""
VOTES = 300
"""Of each rater: 24 repeats and 6 catches are among them."""
ALERT = 0.97
"""The share of catches that a careful rater calls a tie."""
Rng = np.random.Generator
Persona = Callable[[Rng, list[Vote]], list[Vote]]


def layout_of(world: Poll) -> columns.Layout:
    """The layout of a world, read from columns as a user's would be."""
    return columns.read(polls.table(world.levels), [f"axis{i}" for i in range(len(world.levels))], replicate=None)


def shot(prompt: int, seed: int, cell: int) -> str:
    """The id of a shot."""
    return f"{prompt}/{seed}/{cell}"


def places(world: Poll) -> dict[str, Place]:
    """Where each shot stands."""
    shape = (world.prompts, world.seeds, len(world.cells))
    return {shot(*at): Place(*(int(x) for x in at)) for at in np.ndindex(*shape)}


def poll(rng: Rng, world: Poll = WORLD, votes: int = VOTES, *, circle: float = 0.0) -> list[Vote]:
    """Votes of all raters of a world, one rater after another.

    Args:
        rng: of pairs and answers.
        world: of raters and pictures.
        votes: of each rater.
        circle: by how much each level of the first three beats the next one, and the third the first.
    """
    drawn = polls.draw(rng, world, 1)
    found: list[Vote] = []
    for rater in range(world.raters):
        offers = _offers(rng, world, votes)
        won = _answers(rng, drawn, offers, rater, circle)
        seconds = rng.lognormal(0.5, 0.5, len(offers)) + 0.45
        found += [
            _vote(offer, float(one), f"rater {rater + 1}", float(time), len(found) + i)
            for i, (offer, one, time) in enumerate(zip(offers, won, seconds, strict=True))
        ]
    return found


LISTS = 24
"""Lists of pairs that are made once for a world; the sides of every pair are drawn anew each time."""


@cache
def _listed(levels: tuple[int, ...], prompts: int, seeds: int, votes: int, number: int) -> tuple[Offer, ...]:
    world = Poll(tuple((0.0,) * size for size in levels), prompts=prompts, seeds=seeds)
    pictures = np.arange(prompts * seeds * len(world.cells)).reshape(prompts, seeds, -1)
    booth = choice.Booth(strengths.of(layout_of(world)), pictures, np.random.default_rng(number))
    return tuple(booth.listed(votes))


def _offers(rng: Rng, world: Poll, votes: int) -> list[Offer]:
    levels = tuple(map(len, world.levels))
    listed = _listed(levels, world.prompts, world.seeds, votes, int(rng.integers(LISTS)))
    turned = {place: rng.random() < 0.5 for place in dict.fromkeys(offer.place for offer in listed)}
    return [replace(offer, left=offer.right, right=offer.left) if turned[offer.place] else offer for offer in listed]


def _answers(rng: Rng, drawn: polls.Drawn, offers: list[Offer], rater: int, circle: float) -> polls.Array:
    def column(name: str) -> polls.Whole:
        return np.array([[getattr(offer, name) for offer in offers]], dtype=np.intp)

    left, right = column("left"), column("right")
    where = {"prompt": column("prompt"), "seed": column("seed"), "rater": np.full(left.shape, rater)}
    if circle:
        # Whoever is one level ahead of three wins more often; nothing else moves.
        ahead = np.where((left < 3) & (right < 3), ((left - right + 1) % 3 - 1) * circle, 0.0)
        wins = 1 / (1 + np.exp(-ahead))
        return np.where(left == right, 0.0, np.where(rng.random(left.shape) < wins, 1.0, -1.0))[0]
    won = polls.answer(rng, drawn, left=left, right=right, **where)
    careless = rng.choice([-1.0, 1.0], left.shape) * (rng.random(left.shape) > ALERT)
    return np.where(left == right, careless, won)[0]


def _vote(offer: Offer, won: float, rater: str, seconds: float, number: int) -> Vote:
    left, right = (
        Side(shot(offer.prompt, offer.seed, cell), f"picture {offer.prompt}/{offer.seed}/{cell}")
        for cell in (offer.left, offer.right)
    )
    said: Choice = "left" if won > 0 else "right" if won < 0 else "tie"
    return Vote(
        id=str(number),
        pair=Pair(left, right, offer.kind),
        choice=said,
        rater=rater,
        rater_kind="person",
        milliseconds=round(1000 * seconds),
        question="Which picture is better?",
        at="2025-01-01T00:00:00Z",
    )


def _last(votes: list[Vote], change: Callable[[int, Vote], Vote]) -> list[Vote]:
    """The votes with those of the last rater changed; `change` is told which of his votes it is."""
    name = votes[-1].rater
    count = iter(range(len(votes)))
    return [change(next(count), vote) if vote.rater == name else vote for vote in votes]


def favours_a_side(rng: Rng, votes: list[Vote]) -> list[Vote]:
    """Every third answer is "left", whatever is shown."""
    free = rng.random(len(votes)) < 1 / 3

    def change(i: int, vote: Vote) -> Vote:
        return replace(vote, choice="left") if free[i] and vote.pair.kind == "asked" else vote

    return _last(votes, change)


def same_key(_: Rng, votes: list[Vote]) -> list[Vote]:
    """Everything is a tie."""
    return _last(votes, lambda _, vote: replace(vote, choice="tie"))


def too_fast(rng: Rng, votes: list[Vote]) -> list[Vote]:
    """Half of the answers come within 0.35 s."""
    hasty = rng.integers(120, 350, len(votes))
    return _last(votes, lambda i, vote: replace(vote, milliseconds=int(hasty[i])) if i % 2 else vote)


def misses_catches(rng: Rng, votes: list[Vote]) -> list[Vote]:
    """One picture twice is never noticed."""
    coin = rng.random(len(votes)) < 0.5

    def change(i: int, vote: Vote) -> Vote:
        return replace(vote, choice="left" if coin[i] else "right") if vote.pair.kind == "catch" else vote

    return _last(votes, change)


def disagrees(_: Rng, votes: list[Vote]) -> list[Vote]:
    """What was said at first is taken back when the pair comes again."""
    first = {frozenset((v.pair.left.shot, v.pair.right.shot)): v for v in votes if v.pair.kind == "asked"}

    def change(_: int, vote: Vote) -> Vote:
        old = first.get(frozenset((vote.pair.left.shot, vote.pair.right.shot)))
        # The sides are swapped, so the same key is the other picture.
        return replace(vote, choice=old.choice) if vote.pair.kind == "repeat" and old else vote

    own = [vote for vote in votes if vote.rater == votes[-1].rater]
    first = {frozenset((v.pair.left.shot, v.pair.right.shot)): v for v in own if v.pair.kind == "asked"}
    return _last(votes, change)


def tires(rng: Rng, votes: list[Vote]) -> list[Vote]:
    """In the second half a coin answers what is asked."""
    coin = rng.random(len(votes)) < 0.5
    own = sum(vote.rater == votes[-1].rater for vote in votes)

    def change(i: int, vote: Vote) -> Vote:
        late = i > own // 2 and vote.pair.kind == "asked"
        return replace(vote, choice="left" if coin[i] else "right") if late else vote

    return _last(votes, change)


def sticks(rng: Rng, votes: list[Vote]) -> list[Vote]:
    """Half of the answers are the one before."""
    free, before = rng.random(len(votes)) < 0.5, ["left"]

    def change(i: int, vote: Vote) -> Vote:
        if vote.pair.kind == "asked":
            vote = replace(vote, choice=before[0]) if free[i] else vote  # type: ignore[arg-type]
            before[0] = vote.choice
        return vote

    return _last(votes, change)


PERSONAS: dict[str, Persona] = {
    "favours a side": favours_a_side,
    "always the same key": same_key,
    "answers too fast": too_fast,
    "misses catches": misses_catches,
    "disagrees with himself": disagrees,
    "tires": tires,
    "sticks to the last answer": sticks,
}


def planted(rng: Rng, kind: str) -> list[Vote]:
    """Votes that are careful but in one way."""
    if kind in PERSONAS:
        world = replace(WORLD, levels=((0.0, 1.0, 3.0, 2.0),)) if kind == "tires" else WORLD
        return PERSONAS[kind](rng, poll(rng, world))
    if kind == "goes in circles":
        return poll(rng, circle=1.0)
    if kind == "parts that never meet":
        halves = ({0, 1}, {2, 3})

        def near(side: Side) -> set[int]:
            return next(half for half in halves if int(side.shot.split("/")[2]) in half)

        return [vote for vote in poll(rng) if near(vote.pair.left) == near(vote.pair.right)]
    few = poll(rng, replace(WORLD, levels=((0.0, 0.0, 0.0, 0.0),), raters=2, rater_sd=0.0, prompt_sd=0.2), 120)
    sure = poll(rng, replace(WORLD, levels=((0.0, 2.0, 4.0, 6.0),), raters=1), 280)
    return [*few, *(replace(vote, rater="rater 3", id=f"3/{vote.id}") for vote in sure)]


KINDS = (*PERSONAS, "goes in circles", "parts that never meet", "decides alone")
