"""A model of a sharded collection: chunks that split and move, and a router that asks the shards.

It is a model, not MongoDB: no server runs. As in the real one, a key belongs to one chunk, a query
goes to the shards that may have its answer, a hashed collection begins with two chunks on each
shard, and a chunk with one single key is never moved. Here a chunk is cut at an insert, and
documents are counted. Since version 6.0.3 the real balancer compares bytes, and cuts only what it
moves (manual: "Data Partitioning with Chunks", "Router (mongos)").
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from goim_edu.storage.sharding import hash_number, shard_for, split_point

if TYPE_CHECKING:
    from goim_edu.draw import Picture

__all__ = ["Chunk", "ShardedModel"]

_HASH_DIGITS: Final = 16
_HASHES: Final = 16**_HASH_DIGITS
_CHUNKS_AT_FIRST: Final = 2  # on each shard, of a hashed collection
_BEHIND_ALL: Final = "\U0010ffff"  # sorts behind every other text


@dataclass
class Chunk:
    """A range of the shard key, from ``bound`` up to the bound of the next chunk.

    Args:
        bound: the lowest key that belongs to it; ``""`` is below all.
        shard: the name of the shard that has it.
        keys: the shard keys of its documents, one for each document.
    """

    bound: str
    shard: str
    keys: list[str] = field(default_factory=list)


def _sortable(value: object) -> str:
    """A value as text that sorts as it does: numbers with leading zeros."""
    return f"{value:010}" if isinstance(value, int) else str(value)


def _shown(bound: str) -> str:
    """A bound without the leading zeros of its numbers.

    >>> _shown("room 07/0000000120")
    'room 07/120'
    """
    return re.sub(r"(?<![^/])0+(?=\d)", "", bound)


def _limits(prefix: str, asked: Mapping[str, Any] | None) -> tuple[str, str]:
    """The texts between which the keys of a query lie, for keys that begin with ``prefix``."""
    low, high = prefix, prefix + _BEHIND_ALL
    for operator, value in (asked or {}).items():
        if operator in ("$gt", "$gte"):
            low = prefix + _sortable(value)
        elif operator in ("$lt", "$lte"):
            high = prefix + _sortable(value)
            high += f"/{_BEHIND_ALL}" if operator == "$lte" else ""
        else:
            raise ValueError(f"the model knows $gt, $gte, $lt and $lte, not {operator!r}")
    return low, high


class ShardedModel:
    """A collection that is spread over shards by a key.

    Args:
        key: the field, or several in their order, that the documents are spread by.
        shards: their names.
        hashed: whether the key is hashed first, so that neighbours are torn apart.
        most: documents of a chunk before it is split. One that has more, all with the same key, is
            a jumbo chunk: it cannot be split, and the balancer leaves it where it is.

    Attributes:
        chunks: in the order of their bounds.
        splits: how many chunks were cut in two.
        moves: how many chunks the balancer has moved.

    >>> model = ShardedModel("room_id", shards=("A", "B"), most=2)
    >>> model.insert_many({"room_id": room} for room in ("apple", "lobby", "tea"))
    {'A': 3, 'B': 0}
    >>> model.splits, model.balance(), model.asked({"room_id": "apple"}), model.asked({"text": "a"})
    (1, 1, ['B'], ['A', 'B'])
    """

    def __init__(
        self,
        key: str | Sequence[str],
        *,
        shards: Sequence[str] = ("A", "B", "C"),
        hashed: bool = False,
        most: int = 100,
    ) -> None:
        self.key = (key,) if isinstance(key, str) else tuple(key)
        self.shards = tuple(shards)
        self.hashed = hashed
        self.most = most
        self.chunks = self._hashed_chunks() if hashed else [Chunk("", self.shards[0])]
        self.splits = self.moves = 0
        self._written: list[str] = []

    def _hashed_chunks(self) -> list[Chunk]:
        """The chunks that a hashed collection begins with: the same range of hashes for each."""
        owners = [name for name in self.shards for _ in range(_CHUNKS_AT_FIRST)]
        bounds = [number * _HASHES // len(owners) for number in range(len(owners))]
        return [
            Chunk(f"{bound:0{_HASH_DIGITS}x}" if bound else "", owner)
            for bound, owner in zip(bounds, owners, strict=True)
        ]

    # ------------------------------------------------------------------ the router

    def key_of(self, document: Mapping[str, Any]) -> str:
        """The shard key of a document, as text that sorts as the key does."""
        joined = "/".join(map(_sortable, (document[name] for name in self.key)))
        return f"{hash_number(joined):0{_HASH_DIGITS}x}"[:_HASH_DIGITS] if self.hashed else joined

    def insert(self, document: Mapping[str, Any]) -> str:
        """Store a document; returns the shard that it went to."""
        key = self.key_of(document)
        chunk = self._chunk_of(key)
        chunk.keys.append(key)
        self._written.append(key)
        if len(chunk.keys) > self.most:
            self._split(chunk)
        return chunk.shard

    def insert_many(self, documents: Iterable[Mapping[str, Any]]) -> dict[str, int]:
        """Store documents; returns how many went to each shard, and ``draw`` marks where."""
        self._written.clear()
        written = Counter(self.insert(document) for document in documents)
        return {name: written[name] for name in self.shards}

    def asked(self, query: Mapping[str, Any]) -> list[str]:
        """The shards that a query must be sent to: those that may have such documents.

        One, if the query names the whole shard key; with the first fields of a key that is not
        hashed, those whose chunks have keys that begin so; else all. A field may be asked for by a
        range, such as ``{"seq": {"$gte": 10, "$lt": 20}}``.

        >>> times = ShardedModel("at", shards=("A", "B"), most=2)
        >>> times.insert_many({"at": second} for second in range(4))
        {'A': 4, 'B': 0}
        >>> times.balance(), times.asked({"at": {"$lt": 1}}), times.asked({"at": {"$gte": 1}})
        (1, ['A'], ['A', 'B'])

        Raises:
            ValueError: a range has another operator than ``$gt``, ``$gte``, ``$lt``, ``$lte``.
        """
        named = self._prefix(query)
        if len(named) == len(self.key):
            return [self._chunk_of(self.key_of(query)).shard]
        asked_range = query.get(self.key[len(named)])
        if self.hashed or not (named or isinstance(asked_range, Mapping)):
            return sorted({chunk.shard for chunk in self.chunks})
        low, high = _limits("".join(f"{_sortable(query[name])}/" for name in named), asked_range)
        bounds = [chunk.bound for chunk in self.chunks[1:]]
        ranges = zip(self.chunks, [*bounds, None], strict=True)
        return sorted(
            {one.shard for one, end in ranges if one.bound < high and (end is None or end > low)}
        )

    def _prefix(self, query: Mapping[str, Any]) -> list[str]:
        """The first fields of the key that the query names with one value each."""
        return list(takewhile(lambda name: not isinstance(query.get(name, {}), Mapping), self.key))

    def _chunk_of(self, key: str) -> Chunk:
        number = shard_for(key, [(one.bound, str(i)) for i, one in enumerate(self.chunks)])
        return self.chunks[int(number)]

    # ------------------------------------------------------------------ splitting and balancing

    def _split(self, chunk: Chunk) -> None:
        bound = split_point(chunk.keys, self.most)
        if bound is None:
            return  # all its documents have one key: it grows, and nothing helps ("jumbo")
        upper = Chunk(bound, chunk.shard, [key for key in chunk.keys if key >= bound])
        chunk.keys = [key for key in chunk.keys if key < bound]
        self.chunks.insert(self.chunks.index(chunk) + 1, upper)
        self.splits += 1

    def balance(self) -> int:
        """Move chunks, one after the other, from the fullest shard to the emptiest.

        A chunk is moved as long as that brings the two nearer to each other. Jumbo chunks stay; if
        a shard has nothing else to give, the next fullest one does.

        Returns:
            How many were moved.
        """
        moved = 0
        while (chunk := self._to_move()) is not None:
            load = self.documents
            chunk.shard = min(self.shards, key=lambda name: load[name])
            moved += 1
        self.moves += moved
        return moved

    def _to_move(self) -> Chunk | None:
        load = self.documents
        for full in sorted(self.shards, key=lambda name: load[name], reverse=True):
            gap = load[full] - min(load.values())
            fitting = [
                one
                for one in self.chunks
                # Above ``most``: a jumbo chunk, which stays.
                if one.shard == full and 0 < len(one.keys) < gap and len(one.keys) <= self.most
            ]
            if fitting:
                return min(fitting, key=lambda one: abs(gap / 2 - len(one.keys)))
        return None

    # ------------------------------------------------------------------ what it looks like

    @property
    def documents(self) -> dict[str, int]:
        """Documents on each shard."""
        load = dict.fromkeys(self.shards, 0)
        for chunk in self.chunks:
            load[chunk.shard] += len(chunk.keys)
        return load

    def draw(self, *, last: bool = False) -> Picture:
        """The chunks of each shard; ``last`` marks those that ``insert_many`` last wrote to."""
        from goim_edu.draw.shards import shards as draw_shards

        rows = [(_shown(one.bound), one.shard, len(one.keys)) for one in self.chunks]
        written = self._written if last else ()
        hot = {_shown(self._chunk_of(key).bound) for key in written}
        name = ", ".join(self.key) + (" (hashed)" if self.hashed else "")
        title = f"A collection sharded by {name}: a model"
        return draw_shards(rows, names=self.shards, hot=hot, title=title)

    def __repr__(self) -> str:
        load = ", ".join(f"{name} {count}" for name, count in self.documents.items())
        return f"<ShardedModel by {', '.join(self.key)}: {load}; {len(self.chunks)} chunks>"
