"""Stage 8: the model card, from its words in card.md and the figures in results/evaluation.json."""

import json

from training import tables
from training.evaluate import RESULTS
from training.settings import HERE, MODELS


def main() -> None:
    """Run the stage."""
    results = json.loads((RESULTS / "evaluation.json").read_text(encoding="utf-8"))
    text = (HERE / "card.md").read_text(encoding="utf-8")
    for name, table in tables.parts(results).items():
        text = text.replace(f"<!-- {name} -->", table)
    (MODELS / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
