"""Reads the arguments of a model call and stacks the rows of several calls; `answers` splits the result again.

Knows trees of tensors; nothing of pipelines, schedulers or waiting calls. An argument that is not known to be a row, a
timestep or shared must be equal in all calls of a batch; an argument that cannot be compared keeps its call out of one.
Of a model that takes lists, the entries are the rows (`listed`); of one that cuts texts, rows that share a forward have
texts of one length (`texts`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from itertools import chain
from typing import Any, Literal

import torch

from teststrip.batching.answers import tensors
from teststrip.batching.calls import CannotMerge
from teststrip.batching.listed import Listed, form, rows_by_form, with_lists
from teststrip.batching.texts import lengths, rows_by_length

Path = tuple[str | int, ...]
Kind = Literal["row", "time", "shared", "list", "entries", "equal"]

TIMES = frozenset({"timestep", "timesteps"})
OWN_PRECISION = frozenset({torch.float64, torch.float16, torch.bfloat16})
# Positions of tokens, the same for every row, even when their first axis happens to be as long as the batch.
SHARED = frozenset({"txt_ids", "img_ids", "image_rotary_emb", "freqs_cis"})
# Python lists with one entry a row, which all rows must have alike.
LISTS = frozenset({"img_shapes", "txt_seq_lens"})
# Below this many elements a shared tensor is hashed at each call; above, once for as long as it is the same object.
SMALL = 4096


@dataclass(slots=True)
class Request:
    """One call of a model, with its arguments read; rows of it where a model takes lists.

    Attributes:
        rows: number of rows that the request brings.
        tree: parameter name to argument, as bound to the model's signature.
        kinds: what each leaf of the tree is.
        signature: requests of equal signature can share a forward.
        shape: of one row of the first argument; people read it, and the width goes by it.
        places: the rows of the call that these are.
    """

    rows: int
    tree: dict[str, Any]
    kinds: dict[Path, Kind]
    signature: Hashable
    shape: tuple[int, ...]
    places: Sequence[int]

    @property
    def listed(self) -> bool:
        """Whether the model takes lists, and so answers with lists."""
        return "entries" in self.kinds.values()


class Reader:
    """Reads the calls of one model.

    Args:
        name: of the model, for messages.
        function: its parameters name the arguments; a method is given bound.
        ignored: names of arguments that are passed on as None.
        cuts: whether the model cuts each row's text to its length.
    """

    def __init__(
        self, name: str, function: Callable[..., Any], ignored: frozenset[str] = frozenset(), *, cuts: bool = False
    ) -> None:
        self._name = name
        self._cuts = cuts
        self._signature = inspect.signature(function)
        self._ignored = ignored
        self._hashed: dict[int, tuple[torch.Tensor, Hashable]] = {}

    def read(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Request]:
        """Read the arguments of one call.

        Returns:
            one request; of a model that takes lists, one for each form of rows; of a model that cuts texts, one for
            each length.

        Raises:
            CannotMerge: an argument has no known meaning for a batch; the text names it.
            TypeError: the arguments do not fit the function.
        """
        tree = dict(self._signature.bind(*args, **kwargs).arguments)
        for name in self._ignored & tree.keys():
            tree[name] = None
        tree = with_lists(tree)
        whole = self._request(tree)
        groups: list[list[int]] = []
        if whole.listed:
            groups = rows_by_form(tree, whole.rows)
        elif self._cuts:
            groups = rows_by_length(lengths(tree, whole.rows))
        if len(groups) < 2:
            return [whole]

        def chosen(path: Path, leaf: Any, places: list[int]) -> Any:
            if isinstance(leaf, Listed):
                return leaf.at(places)
            of_rows = isinstance(leaf, torch.Tensor) and leaf.ndim and leaf.shape[0] == whole.rows
            return leaf[places] if of_rows and whole.kinds[path] in ("row", "time") else leaf

        parts = [(places, rebuilt(tree, partial(chosen, places=places))) for places in groups]
        return [replace(self._request(part), places=places) for places, part in parts]

    def _request(self, tree: dict[str, Any]) -> Request:
        first = next(iter(tree.values()), None)
        if isinstance(first, Listed):
            rows, shape = len(first.entries), _shape(first.entries[0])
        elif isinstance(first, torch.Tensor):
            rows, shape = int(first.shape[0]) if first.ndim else 1, tuple(first.shape[1:])
        else:
            argument = next(iter(tree), "nothing")
            raise CannotMerge(f"its {self._name} takes {argument} as {_a(first)}, not as one batch of rows")
        kinds: dict[Path, Kind] = {}
        parts: list[Hashable] = []
        for path, leaf in leaves(tree):
            kind, part = self._classify(path, leaf, rows)
            kinds[path] = kind
            parts.append((path, kind, part))
        if self._cuts:
            parts.append(("lengths of texts", *lengths(tree, rows)[:1]))
        return Request(rows, tree, kinds, tuple(parts), shape, range(rows))

    def bind(self, tree: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Turn a tree into positional and keyword arguments."""
        bound = inspect.BoundArguments(self._signature, dict(tree))
        return bound.args, bound.kwargs

    def _classify(self, path: Path, leaf: Any, rows: int) -> tuple[Kind, Hashable]:
        name = path[0]
        if isinstance(leaf, torch.Tensor):
            if name in TIMES and (leaf.numel() == 1 or leaf.shape == (rows,)):
                # Some schedulers count in whole numbers, some in single precision; stacked, all are single precision.
                return "time", leaf.dtype if leaf.dtype in OWN_PRECISION else "number"
            if leaf.ndim and leaf.shape[0] == rows and not SHARED.intersection(map(str, path)):
                return "row", (tuple(leaf.shape[1:]), leaf.dtype, leaf.device)
            return "shared", self._content(leaf)
        if name in TIMES and isinstance(leaf, int | float) and not isinstance(leaf, bool):
            return "time", "number"
        if isinstance(leaf, Listed):
            return ("list", leaf.same(rows)) if name in LISTS else ("entries", form(leaf.entries[0]))
        if leaf is None or isinstance(leaf, str | int | float | bool | torch.dtype | torch.device | Enum):
            return "equal", (type(leaf).__name__, leaf)
        raise CannotMerge(f"its {self._name} takes {'.'.join(map(str, path))} as {_a(leaf)}, which cannot be merged")

    def _content(self, leaf: torch.Tensor) -> Hashable:
        # Two calls make the same table of positions as two objects, so contents are compared, by their bytes.
        known = self._hashed.get(id(leaf))
        if known is not None and known[0] is leaf:
            return known[1]
        raw = leaf.detach().contiguous().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()
        content = (tuple(leaf.shape), leaf.dtype, leaf.device, raw if len(raw) <= 256 else hash(raw))
        if leaf.numel() > SMALL:
            if len(self._hashed) > 64:
                self._hashed.clear()
            self._hashed[id(leaf)] = (leaf, content)
        return content


def leaves(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf of nested dicts, lists and tuples, with its path."""
    if isinstance(tree, dict):
        for name in tree:
            yield from leaves(tree[name], (*path, name))
    elif isinstance(tree, list) and len(path) == 1 and path[0] in LISTS:
        yield path, Listed(tuple(tree))
    elif isinstance(tree, list | tuple):
        yield (*path, "length"), len(tree)
        for index, item in enumerate(tree):
            yield from leaves(item, (*path, index))
    else:
        yield path, tree


def rebuilt(tree: Any, change: Callable[[Path, Any], Any], path: Path = ()) -> Any:
    """The same tree with each leaf changed; a `Listed` leaf is a list again."""
    if isinstance(tree, dict):
        return {name: rebuilt(item, change, (*path, name)) for name, item in tree.items()}
    if isinstance(tree, list) and len(path) == 1 and path[0] in LISTS:
        changed = change(path, Listed(tuple(tree)))
        return list(changed.entries) if isinstance(changed, Listed) else changed
    if isinstance(tree, list | tuple):
        return type(tree)(rebuilt(item, change, (*path, index)) for index, item in enumerate(tree))
    return change(path, tree)


Piece = tuple["Request", int, int]
"""Rows start..stop of a request."""


def stacked(pieces: Sequence[Piece], width: int) -> dict[str, Any]:
    """Rows start..stop of each request, below one another; the last row is repeated until there are `width` rows."""
    first = pieces[0][0]
    found = [dict(leaves(request.tree)) for request, _, _ in pieces]
    count = sum(stop - start for _, start, stop in pieces)

    def change(path: Path, leaf: Any) -> Any:
        kind = first.kinds[path]
        if kind == "list":
            return list(leaf.entries[:1]) * width
        if kind == "entries":
            parts = [f[path].entries[start:stop] for f, (_, start, stop) in zip(found, pieces, strict=True)]
            return [*chain(*parts), *parts[-1][-1:] * (width - count)]
        if kind == "row":
            parts = [f[path][start:stop] for f, (_, start, stop) in zip(found, pieces, strict=True)]
        elif kind == "time":
            parts = [
                _times(f[path], request)[start:stop] for f, (request, start, stop) in zip(found, pieces, strict=True)
            ]
        else:
            return leaf
        if count < width:  # a copied row and not zeros: an all-masked row would make NaN, which is slow on CPUs
            parts.append(parts[-1][-1:].expand(width - count, *parts[-1].shape[1:]))
        return torch.cat(parts)

    tree: dict[str, Any] = rebuilt(first.tree, change)
    return tree


def _times(value: Any, request: Request) -> torch.Tensor:
    time = value if isinstance(value, torch.Tensor) else torch.tensor(value)
    first = next(iter(request.tree.values()))
    device = next(tensors(first)).device
    return time.to(device).reshape(-1).expand(request.rows)


def _shape(entry: Any) -> tuple[int, ...]:
    """Of the last tensor of an entry: pictures that guide one come before it."""
    found = list(tensors(entry))
    return tuple(found[-1].shape) if found else ()


def _a(value: Any) -> str:
    return f"a {type(value).__name__}"
