"""The tokenizer: byte-level BPE in CLIP's file format, trained on the captions and CLDR's names and keywords.

Any text tokenizes: unknown words fall apart into letters, other scripts into bytes.
"""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from transformers import CLIPTokenizer

from training.settings import recipe, work

# CLIP's own pattern
WORDS = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
FOLDER = work("tokenizer", "vocab.json").parent


def cldr_words() -> Iterator[str]:
    """Words of CLDR's English emoji names and keywords."""
    for path in recipe("data").annotations:
        for node in ET.parse(path).getroot().iter("annotation"):
            yield from (node.text or "").lower().replace("|", " ").split()


def train(captions: Iterable[str]) -> Path:
    """Write vocab.json, merges.txt and the configuration; returns their folder."""
    size = recipe("data").vocabulary
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size, end_of_word_suffix="</w>", initial_alphabet=alphabet, min_frequency=2, show_progress=False
    )
    learner.train_from_iterator([*captions, *cldr_words()], trainer)

    # CLIP's order: bytes, bytes that end a word, merges, the two marks
    vocabulary = dict.fromkeys([*alphabet, *(letter + "</w>" for letter in alphabet)])
    merges = []
    for first, second in json.loads(learner.to_str())["model"]["merges"]:
        if len(vocabulary) == size - 2:
            break
        merges.append(f"{first} {second}")
        vocabulary[first + second] = None
    tokens = [*vocabulary, BEGIN, END]
    folder = FOLDER
    ids = {token: i for i, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    marks = {"bos_token": BEGIN, "eos_token": END, "unk_token": END, "pad_token": END}
    config = marks | {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": recipe("data").prompt_tokens,
        "add_prefix_space": False, "errors": "replace", "do_lower_case": True,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(marks, indent=1), encoding="utf-8")
    return folder


def exists() -> bool:
    return (FOLDER / "vocab.json").exists()


def load() -> CLIPTokenizer:
    """The trained tokenizer."""
    return CLIPTokenizer.from_pretrained(FOLDER)


def encode(tokenizer: CLIPTokenizer, texts: list[str]) -> list[list[int]]:
    """Token ids padded and cut to the model's length."""
    return tokenizer(texts, padding="max_length", truncation=True, max_length=tokenizer.model_max_length).input_ids


def strange(tokens: np.ndarray) -> np.ndarray:
    """The ids of the vocabulary that no caption has."""
    return np.setdiff1d(np.arange(recipe("data").vocabulary - 2), tokens)


def add_strange_words(ids: Tensor, choice: np.ndarray, share: float, rng: np.random.Generator) -> None:
    """Put one to four tokens of `choice` somewhere into a share of the captions `ids [B, L]`, in place.

    People write words we never taught. Without this "an image of an elephant" was a wizard.
    """
    for row in np.flatnonzero(rng.random(len(ids)) < share):
        own = ids[row].clone()
        end = int((own == own[-1]).nonzero()[0])  # captions are padded with the end mark
        place = int(rng.choice((1, end, rng.integers(1, end + 1))))
        words = torch.from_numpy(rng.choice(choice, rng.integers(1, 5)))
        ids[row, :-1] = torch.cat([own[:place], words, own[place:]])[: len(own) - 1]
