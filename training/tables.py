"""The results of an evaluation as Markdown. Knows the shape of evaluation.json; measures nothing."""

from collections.abc import Iterable, Sequence
from typing import Any


def _percent(values: Sequence[float]) -> str:
    return f"{values[0]:.0%} ({values[1]:.0%}-{values[2]:.0%})"


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _head(*names: str) -> list[str]:
    return ["", _row(*names), _row(*["---"] * len(names))]


def _demands(results: dict[str, Any]) -> Iterable[str]:
    if r := results.get("autoencoder"):
        what = f"autoencoder, {r['pictures']} held-out compositions at {r['pixels']} px, mean PSNR"
        yield _row(what, f"{r['mean_psnr_db']} dB", "27 dB")
        yield _row("the same, PSNR of the mean error", f"{r['psnr_of_mean_error_db']} dB", "")
    if r := results.get("retrieval"):
        yield _row("scorer, caption of a picture among 1,000", f"{r['caption_of_picture']:.1%}", "50 %")
        yield _row("scorer, picture of a caption among 1,000", f"{r['picture_of_caption']:.1%}", "50 %")
    if r := results.get("prompts"):
        what = "matched among 40 held-out {}, guidance 5, 25 steps, 3 seeds"
        yield _row(what.format("single-object prompts"), _percent(r["single"]), "85 %")
        yield _row(what.format("compositions"), _percent(r["composition"]), "60 %")
    if r := results.get("seeds"):
        for kind in ("scorer embeddings", "scorer vision features", "thumbnails of 32 px"):
            yield _row(f"distance between seeds over that between prompts, {kind}", r[kind], "0.25")
    if r := results.get("study"):
        what = f"480 pictures in batches of 6, {r['processes']} processes of a thread"
        if r["pictures_measured"] < 480:
            what += f", from {r['pictures_measured']} measured"
        yield _row(f"{what}, load {r['load_before']:.0f} of others", f"{r['seconds_for_480'] / 60:.1f} min", "15 min")


def _grid(cells: Sequence[dict[str, Any]], kind: str) -> Iterable[str]:
    guidance = sorted({cell["guidance"] for cell in cells})
    yield from _head("steps", *(f"guidance {g:g}" for g in guidance))
    for steps in sorted({cell["steps"] for cell in cells}):
        found = {cell["guidance"]: cell[kind] for cell in cells if cell["steps"] == steps}
        yield _row(steps, *(_percent(found[g]) for g in guidance))


def _losses(prompts: dict[str, Any]) -> Iterable[str]:
    yield from _head("lost against guidance 5, 25 steps", "prompts", "matched", "similarity")
    for kind in ("single", "composition"):
        for arm, lost in prompts[f"{kind}_losses"].items():
            similarity = "{:.3f} ({:.3f} to {:.3f})".format(*lost["similarity"])
            matched = "{:.0f} points ({:.0f} to {:.0f})".format(*(100 * value for value in lost["matched"]))
            yield _row(arm, kind, matched, similarity)


def _schedulers(rows: dict[str, dict[str, Any]]) -> Iterable[str]:
    yield from _head("scheduler", "rms, 25 steps", "rms, 50 steps", "matched, 25", "matched, 50")
    for name, row in rows.items():
        if "error" in row:
            yield _row(name, row["error"], "", "", "")
        else:
            shares = (f"{row[key]:.0%}" for key in ("matched_25", "matched_50"))
            yield _row(name, row["rms_25"], row["rms_50"], *shares)


def parts(results: dict[str, Any]) -> dict[str, str]:
    """The tables the model card shows, by name."""
    found = {"demands": [*_head("measure", "found", "must reach"), *_demands(results)]}
    if r := results.get("grid"):
        for kind in ("single", "composition"):
            found[f"grid {kind}"] = list(_grid(r["cells"], kind))
    if r := results.get("prompts"):
        found["losses"] = list(_losses(r))
    if r := results.get("schedulers"):
        found["schedulers"] = list(_schedulers(r["rows"]))
    return {name: "\n".join(lines).strip() for name, lines in found.items()}


def as_markdown(results: dict[str, Any]) -> str:
    """All sections there are."""
    lines = [
        "# Evaluation of the shipped files",
        "",
        "Made by `python -m training.evaluate`; all figures are in [evaluation.json](evaluation.json).",
        *_head("measure", "found", "must reach"),
        *_demands(results),
    ]
    if r := results.get("prompts"):
        lines += ["", "## Less guidance, fewer steps", "", f"The same prompts and seeds; {r['interval of losses']}."]
        lines += _losses(r)
    if r := results.get("grid"):
        for kind in ("single", "composition"):
            lines += ["", f"## Matched among 40, prompts of kind {kind}", "", f"Share and interval: {r['interval']}."]
            lines += _grid(r["cells"], kind)
    if r := results.get("schedulers"):
        lines += ["", "## Schedulers", "", f"Guidance 5; {r['prompts']} prompts. Reference: {r['reference']}."]
        lines += _schedulers(r["rows"])
    return "\n".join(lines) + "\n"
