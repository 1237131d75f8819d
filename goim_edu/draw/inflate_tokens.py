r"""A slow reader of DEFLATE that keeps what zlib throws away: which bits said what (RFC 1951).

DEFLATE writes a text as literals and copies. A copy says "the next n octets are those that stand
d octets back". Each of these is written with a Huffman code, the common ones with fewer bits, and
the bits fill each octet from its lowest bit on. zlib gives only the result; ``read_deflate`` gives
every code with the bits that it took. Pictures need that; connections use zlib.

>>> tokens = read_deflate(bytes.fromhex("4a4c0400"))
>>> [(token.kind, token.start, token.bits) for token in tokens]
[('block', 0, 3), ('literal', 3, 8), ('literal', 11, 8), ('end', 19, 7), ('flush', 26, 6)]
>>> plain_of(tokens)
b'aa'
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

__all__ = ["Kind", "Token", "plain_of", "read_deflate"]

Kind = Literal["block", "tables", "literal", "copy", "stored", "end", "padding", "flush"]

_TAIL: Final = b"\x00\x00\xff\xff"  # RFC 7692 §7.2.1: every message would end so; it is not sent
_END: Final = 256  # the code that ends a block
_CODE_LENGTH_ORDER: Final = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_FIXED_LITERALS: Final = (8,) * 144 + (9,) * 112 + (7,) * 24 + (8,) * 8
_FIXED_DISTANCES: Final = (5,) * 30
_STORED, _FIXED, _DYNAMIC = 0, 1, 2
_BLOCK_NAMES: Final = {_STORED: "stored", _FIXED: "fixed codes", _DYNAMIC: "own codes"}


class Token(NamedTuple):
    """Some bits of a DEFLATE stream that belong together.

    Args:
        kind: ``"block"`` opens a block; ``"tables"`` are a block's own codes; ``"literal"`` is an
            octet and ``"copy"`` a copy; ``"stored"`` are octets as they are; ``"end"`` ends a
            block; ``"padding"`` fills an octet up; ``"flush"`` is the empty block at the end.
        start: number of its first bit; bit 0 is the lowest bit of the first octet.
        bits: how many.
        at: where in the plain octets it writes.
        plain: what it writes.
        distance: how many octets back a copy begins; else 0.
        note: in words, what kind of block it is.
    """

    kind: Kind
    start: int
    bits: int
    at: int
    plain: bytes = b""
    distance: int = 0
    note: str = ""


def plain_of(tokens: Sequence[Token]) -> bytes:
    """Return what the tokens write, joined."""
    return b"".join(token.plain for token in tokens)


def read_deflate(data: bytes, history: bytes = b"", max_plain: int = 65_536) -> list[Token]:
    """Read one compressed message as permessage-deflate sends it (RFC 7692 §7.2.1).

    Args:
        data: its octets: raw DEFLATE without the last ``00 00 ff ff``.
        history: the plain octets of the messages before, to which copies may reach back.
        max_plain: how many octets may come out at most.

    Raises:
        ValueError: these bits are not DEFLATE, or more comes out than ``max_plain``.
    """
    return list(_Reader(data, history, max_plain).tokens())


@dataclass(slots=True)
class _Codes:
    """A Huffman code: number of bits and value to symbol (RFC 1951 §3.2.2)."""

    symbols: dict[tuple[int, int], int]

    @classmethod
    def of(cls, lengths: Sequence[int]) -> _Codes:
        """Number the codes: shorter before longer, and among equals in order of the symbols."""
        code, symbols = 0, {}
        for length in range(1, 16):
            code <<= 1
            for symbol, wanted in enumerate(lengths):
                if wanted == length:
                    symbols[length, code] = symbol
                    code += 1
            if code > 1 << length:
                raise ValueError(f"too many codes of {length} bits")
        return cls(symbols)


class _Reader:
    """Walks through the bits once."""

    def __init__(self, data: bytes, history: bytes, max_plain: int) -> None:
        self._data = data + _TAIL
        self._sent = self._readable = 8 * len(data)
        self._position = 0
        self._window = bytearray(history)
        self._before = len(history)
        self._max_plain = max_plain

    def tokens(self) -> Iterator[Token]:
        while self._position < self._sent:
            start = self._position
            final, kind = self._take(1), self._take(2)
            if kind == _STORED:
                yield from self._stored(start)
            elif kind in (_FIXED, _DYNAMIC):
                note = _BLOCK_NAMES[kind] + (", the last block" if final else "")
                yield self._token("block", start, note=note)
                yield from self._compressed(kind)
            else:
                raise ValueError(f"bit {start}: there is no block of kind 3")
            if final:
                yield from self._pad()

    def _take(self, count: int) -> int:
        """Return the next bits as a number, its lowest bit first (RFC 1951 §3.1.1)."""
        value = 0
        for place in range(count):
            octet, bit = divmod(self._position, 8)
            if self._position >= self._readable:
                raise ValueError("the bits end in the middle of a block")
            value |= (self._data[octet] >> bit & 1) << place
            self._position += 1
        return value

    def _symbol(self, codes: _Codes) -> int:
        """Return the next symbol; a code's bits come highest first."""
        code = 0
        for length in range(1, 16):
            code = code << 1 | self._take(1)
            symbol = codes.symbols.get((length, code))
            if symbol is not None:
                return symbol
        raise ValueError(f"bit {self._position}: no code of this block begins so")

    def _token(
        self, kind: Kind, start: int, plain: bytes = b"", distance: int = 0, note: str = ""
    ) -> Token:
        at = len(self._window) - self._before
        if at + len(plain) > self._max_plain:
            raise ValueError(f"more than {self._max_plain:,} octets come out")
        self._window += plain
        end = min(self._position, self._sent)
        return Token(kind, start, end - start, at, plain, distance, note)

    def _pad(self) -> Iterator[Token]:
        start = self._position
        self._take(-self._position % 8)
        if self._position > start:
            yield self._token("padding", start)

    def _stored(self, start: int) -> Iterator[Token]:
        """An uncompressed block (RFC 1951 §3.2.4); an empty one only fills the octet up."""
        head = self._position
        self._take(-self._position % 8)
        self._readable = 8 * len(self._data)  # the only thing that may stand in the unsent tail
        length, inverse = self._take(16), self._take(16)
        self._readable = self._sent
        if length ^ inverse != 0xFFFF:
            raise ValueError(f"bit {head}: the length of a stored block is damaged")
        if not length:
            yield self._token(
                "flush", start, note="the head of an empty block; its 00 00 ff ff is not sent"
            )
            return
        yield self._token("block", start, note=_BLOCK_NAMES[_STORED])
        first = self._position // 8
        end = first + length
        if 8 * end > self._sent:
            raise ValueError("the bits end in the middle of a block")
        begin, self._position = self._position, 8 * end
        yield self._token("stored", begin, self._data[first:end])

    def _compressed(self, kind: int) -> Iterator[Token]:
        literals, distances = _Codes.of(_FIXED_LITERALS), _Codes.of(_FIXED_DISTANCES)
        if kind == _DYNAMIC:
            start = self._position
            literals, distances = self._tables()
            yield self._token("tables", start, note="the codes of this block")
        while True:
            start = self._position
            symbol = self._symbol(literals)
            if symbol == _END:
                yield self._token("end", start)
                return
            if symbol < _END:
                yield self._token("literal", start, bytes((symbol,)))
            else:
                length = self._length(symbol)
                distance = self._distance(self._symbol(distances))
                yield self._token("copy", start, self._look_back(length, distance), distance)

    def _tables(self) -> tuple[_Codes, _Codes]:
        """A block's own codes, themselves written with a code (RFC 1951 §3.2.7)."""
        literals, distances, count = self._take(5) + 257, self._take(5) + 1, self._take(4) + 4
        lengths = [0] * 19
        for place in _CODE_LENGTH_ORDER[:count]:
            lengths[place] = self._take(3)
        codes = _Codes.of(lengths)
        said: list[int] = []
        while len(said) < literals + distances:
            symbol = self._symbol(codes)
            if symbol < 16:
                said.append(symbol)
            elif symbol == 16:
                if not said:
                    raise ValueError("the first length of a table repeats nothing")
                said += said[-1:] * (self._take(2) + 3)
            else:
                said += [0] * (self._take(3) + 3 if symbol == 17 else self._take(7) + 11)
        if len(said) > literals + distances:
            raise ValueError("the tables of a block are longer than announced")
        return _Codes.of(said[:literals]), _Codes.of(said[literals:])

    def _length(self, symbol: int) -> int:
        """Codes 257 to 285 say 3 to 258 octets, the longer ones with more bits behind."""
        code = symbol - 257
        if code < 8:
            return code + 3
        if code == 28:
            return 258
        if code > 28:
            raise ValueError(f"{symbol} is not a length")
        more = code // 4 - 1
        return ((4 + code % 4) << more) + 3 + self._take(more)

    def _distance(self, code: int) -> int:
        """Codes 0 to 29 say 1 to 32,768 octets back."""
        if code < 4:
            return code + 1
        if code > 29:
            raise ValueError(f"{code} is not a distance")
        more = code // 2 - 1
        return ((2 + code % 2) << more) + 1 + self._take(more)

    def _look_back(self, length: int, distance: int) -> bytes:
        """The octets of a copy; one that is longer than its distance repeats itself."""
        start = len(self._window) - distance
        if start < 0:
            raise ValueError(f"a copy reaches {-start} octets before the first one")
        source = bytes(self._window[start : start + length])
        return (source * (length // len(source) + 1))[:length]
