"""The reader of DEFLATE for pictures: it agrees with zlib on every kind of block."""

from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim_edu.draw.inflate_tokens import plain_of, read_deflate
from goim_edu.websocket.deflate import DeflateConfig, DeflateParams, PerMessageDeflate


def compress(
    data: bytes, level: int = 9, strategy: int = zlib.Z_DEFAULT_STRATEGY, history: bytes = b""
) -> bytes:
    """One message as permessage-deflate sends it."""
    maker = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy, history)
    return (maker.compress(data) + maker.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def check(sent: bytes, plain: bytes, history: bytes = b"") -> None:
    """The plain octets come out, and every bit belongs to exactly one token."""
    tokens = read_deflate(sent, history, 1 << 20)
    assert plain_of(tokens) == plain
    bit = at = 0
    for token in tokens:
        assert (token.start, token.at) == (bit, at)
        bit += token.bits
        at += len(token.plain)
    assert bit == 8 * len(sent)


@given(st.binary(max_size=400), st.integers(0, 9), st.sampled_from([0, 1, 2, 3, 4]))
def test_it_agrees_with_zlib(data: bytes, level: int, strategy: int) -> None:
    check(compress(data, level, strategy), data)


@given(st.text("ab \n", max_size=300), st.text("ab \n", min_size=1, max_size=100))
def test_copies_reach_into_earlier_messages(text: str, before: str) -> None:
    check(compress(text.encode(), history=before.encode()), text.encode(), before.encode())


@pytest.mark.parametrize("level", range(10))
def test_long_copies_and_own_codes(level: int) -> None:
    words = random.Random(level)
    data = b" ".join(words.choice([b"chat", b"room", b"message", b"x" * 300]) for _ in range(3000))
    data += bytes(40_000) + data[:9000]
    check(compress(data, level), data)


def test_the_final_block_that_some_peers_send() -> None:
    """RFC 7692 §7.2.3.4: behind BFINAL the 00 is the head of an empty block, as at every end."""
    maker = zlib.compressobj(9, zlib.DEFLATED, -15)
    sent = maker.compress(b"Hello Hello") + maker.flush() + b"\0"
    check(sent, b"Hello Hello")
    *_, padding, head = read_deflate(sent)
    assert (padding.kind, head.kind, head.bits) == ("padding", "flush", 8)
    assert head.note.startswith("the head of an empty block")


def test_what_our_own_side_sends() -> None:
    sender = PerMessageDeflate(DeflateParams(), True, DeflateConfig())
    first, second = (sender.compress(b"the same words again") for _ in range(2))
    check(first, b"the same words again")
    check(second, b"the same words again", history=b"the same words again")
    assert [token.kind for token in read_deflate(second, b"the same words again")].count("copy")


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        ("06", "no block of kind 3"),
        ("00 01", "length of a stored block is damaged"),
        ("4a 02 11 00", "before the first one"),
        ("04 e0 93 24 49 92 24 49 92 24", "too many codes"),
        ("4a", "end in the middle"),
    ],
)
def test_damage_is_named(damaged: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_deflate(bytes.fromhex(damaged))


def test_one_wrong_bit_gives_what_zlib_gives_or_a_sentence() -> None:
    noise = random.Random(1951)
    agreed = 0
    for _ in range(1000):
        damaged = bytearray(compress(bytes(noise.choices(b"abcd", k=60)), noise.randrange(10)))
        damaged[noise.randrange(len(damaged))] ^= 1 << noise.randrange(8)
        inflater = zlib.decompressobj(-15)
        try:
            theirs = inflater.decompress(bytes(damaged) + b"\0\0\xff\xff")
        except zlib.error:
            continue
        try:
            ours = plain_of(read_deflate(bytes(damaged)))
        except ValueError:
            continue
        assert ours.startswith(theirs)
        agreed += 1
    assert agreed > 100


def test_what_comes_out_is_bounded() -> None:
    with pytest.raises(ValueError, match="more than 1,000"):
        read_deflate(compress(bytes(2000)), max_plain=1000)
