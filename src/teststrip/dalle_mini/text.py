"""What the model reads of a prompt: small ASCII letters, in pieces of words, no more than the encoder takes.

As min-dalle reads: emoji become their names, other characters beyond ASCII are dropped, and each word is merged from
letters by the pairs of merges.txt. As dalle-mini reads, and min-dalle does not: a text that is cut keeps its closing
token, and the unconditional text is the empty one. The two agree on texts that are not cut.
"""

from __future__ import annotations

import importlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any, Final

from teststrip.errors import EngineError, shortened

OPENING, PADDING, CLOSING, UNKNOWN = "<s>", "<pad>", "</s>", "<unk>"
SPACE: Final = "\u0120"
"""How a vocabulary of BART writes the space before a word."""
LONGEST_LOSS: Final = 200

SYMBOLS: Final = frozenset({"So", "Sk", "Sm"})
"""Categories of Unicode that hold the emoji, but for the few of `RARE`."""
RARE: Final = "\u203c\u2049\u3030\u20e3"


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt as the encoder is given it.

    Attributes:
        tokens: as many as the encoder takes, padding among them.
        whole: tokens of the whole text, with the two that open and close it.
        lost: the words that are not read, or not whole; "" = all is read.
    """

    tokens: tuple[int, ...]
    whole: int
    lost: str


def has_emoji(text: str) -> bool:
    """Whether a text may hold characters that the package `emoji` has names for.

    >>> has_emoji("an owl 🦉"), has_emoji("a café – “open”")
    (True, False)
    """
    return any(not letter.isascii() and (unicodedata.category(letter) in SYMBOLS or letter in RARE) for letter in text)


def without_emoji(text: str) -> str:
    """The text with names in the place of emoji.

    Raises:
        ModuleNotFoundError: the text may hold emoji, and the package `emoji` is not installed.
    """
    if not has_emoji(text):
        return text
    emoji: Any = importlib.import_module("emoji")
    return str(emoji.demojize(text, delimiters=("", "")))


class Tokenizer:
    """Turns texts into tokens.

    Args:
        vocab: the number of each piece of a word.
        merges: pairs of pieces that are merged, those that come first before others.
        most: tokens that the encoder takes.
    """

    def __init__(self, vocab: Mapping[str, int], merges: Sequence[tuple[str, str]], most: int) -> None:
        self._vocab = vocab
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}
        self._most = most
        self.padding = vocab[PADDING]

    @property
    def nothing(self) -> tuple[int, ...]:
        """The tokens of the empty text."""
        return self._padded([])

    def read(self, text: str) -> Text:
        """What is read of a text in which emoji are names already; what is left of them is lost."""
        tokens: list[int] = []
        lost = []
        for word in text.split(" "):
            read = word.lower().encode("ascii", "ignore").decode()
            tokens += [self._vocab.get(piece, self._vocab[UNKNOWN]) for piece in self._pieces(read)] if read else []
            if len(tokens) > self._most - 2 or not word.isascii():
                lost.append(word)
        return Text(self._padded(tokens), len(tokens) + 2, shortened(" ".join(lost).strip(), LONGEST_LOSS))

    def _padded(self, tokens: list[int]) -> tuple[int, ...]:
        kept = [self._vocab[OPENING], *tokens[: self._most - 2], self._vocab[CLOSING]]
        return (*kept, *[self.padding] * (self._most - len(kept)))

    def _pieces(self, word: str) -> list[str]:
        pieces = [SPACE, *word]
        # Ranks of neighbours are kept while pieces are merged, because a word may have thousands of letters.
        ranks = [self._ranks.get(pair, inf) for pair in pairwise(pieces)]
        while ranks and (best := min(ranks)) < inf:
            at = ranks.index(best)
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
            del ranks[at]
            for place in (at - 1, at):
                if 0 <= place < len(ranks):
                    ranks[place] = self._ranks.get((pieces[place], pieces[place + 1]), inf)
        return pieces


def _is_token(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def tokenizer(vocab: Path, merges: Path, *, most: int, known: int) -> Tokenizer:
    """The tokenizer of a model.

    Args:
        vocab: a JSON file, the number of each piece.
        merges: a pair of pieces a line, below a line that begins with "#version".
        most: tokens that the encoder takes.
        known: how many tokens the encoder knows.

    Raises:
        EngineError: a file is damaged, or does not belong to the model.
    """
    try:
        pieces = json.loads(vocab.read_text("utf-8"))
        lines = merges.read_text("utf-8").split("\n")
    except (OSError, ValueError, RecursionError) as error:
        raise EngineError(f"{vocab.parent}: vocab.json or merges.txt cannot be read ({type(error).__name__})") from None
    if not isinstance(pieces, dict) or not all(_is_token(number) for number in pieces.values()):
        raise EngineError(f"{vocab}: this is no table of pieces of words and their numbers")
    if lacking := [token for token in (OPENING, PADDING, CLOSING, UNKNOWN) if token not in pieces]:
        raise EngineError(f"{vocab}: the token {lacking[0]} is missing. Take the vocab.json of this very model")
    if max(pieces.values()) >= known:
        raise EngineError(
            f"{vocab}: token {max(pieces.values())} is unknown to the encoder, which knows {known}."
            " Take the vocab.json of this very model"
        )
    pairs = [tuple(line.split()) for line in lines if line.strip() and not line.startswith("#version")]
    if any(len(pair) != 2 for pair in pairs):
        raise EngineError(f"{merges}: a line holds no pair of pieces. Take the merges.txt of this very model")
    return Tokenizer(pieces, [(one, two) for one, two in pairs], most)
