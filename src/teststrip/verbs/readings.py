"""What models will read of a study's prompts, asked of their engines before anything is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from teststrip import plan as planning
from teststrip.analysis.sentences import heeded
from teststrip.executors.local import LocalExecutor
from teststrip.protocols import Reads, Words
from teststrip.records import Prompt, Reading, Study


def of(plan: planning.Plan) -> list[Sequence[Reading]]:
    """What models will read of the prompts, by their tokenizers: of each cell that shows a level for the first time.

    Cells of which nothing is known are left out.
    """
    unseen = {(axis.name, label) for axis in plan.study.axes for label in axis.labels}
    found: list[Sequence[Reading]] = []
    with LocalExecutor() as executor:
        for number, cell in enumerate(plan.cells):
            if number and unseen.isdisjoint(cell.levels):
                continue
            unseen.difference_update(cell.levels)
            engine = executor.engine(plan.engine(cell))
            if isinstance(engine, Reads):
                texts = [str(plan.settings(cell, prompt, 0)["prompt"]) for prompt in plan.study.prompts]
                read = engine.read(plan.first(cell).shot.settings, texts)
                found.append([_with_pictures(*pair) for pair in zip(read, plan.study.prompts, strict=False)])
    return [one for one in found if one]


def uncalled(plan: planning.Plan) -> Iterator[str]:
    """A sentence on each word that an engine gives a meaning to and that no prompt of the study holds."""
    held: dict[str, bool] = {}
    with LocalExecutor() as executor:
        for cell in plan.cells:
            engine = executor.engine(plan.engine(cell))
            words = engine.words(plan.first(cell).shot.settings) if isinstance(engine, Words) else ()
            for word in (word for word in words if not held.get(word)):
                given = (plan.settings(cell, prompt, 0) for prompt in plan.study.prompts)
                texts = (one.get(name) for one in given for name in ("prompt", "negative_prompt"))
                held[word] = any(word in str(text or "") for text in texts)
    for word in (word for word, there in held.items() if not there):
        yield f"No prompt holds {word}, so its textual inversion changes nothing. Write {word} in a prompt."


def _with_pictures(reading: Reading, prompt: Prompt) -> Reading:
    """What a model reads of a prompt; the pictures of one text keep its blocks apart."""
    given = " ".join(picture.digest for picture in prompt.pictures)
    return replace(reading, digest=f"{reading.digest} {given}") if given else reading


def unread(study: Study, readings: Sequence[Sequence[Reading]]) -> Iterator[str]:
    """What models will not read, each sentence once."""
    names = [prompt.id for prompt in study.prompts]
    yield from dict.fromkeys(sentence for one in readings for sentence in heeded.unread(names, one))


def distinct(study: Study, readings: Sequence[Sequence[Reading]]) -> Study:
    """The study without the prompts that no cell tells from an earlier one."""
    first: dict[object, Prompt] = {}
    for place, prompt in enumerate(study.prompts):
        first.setdefault(tuple(one[place].digest for one in readings) or place, prompt)
    return replace(study, prompts=tuple(first.values()))
