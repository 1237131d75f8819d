"""Values and differences in words."""

from __future__ import annotations

import pytest

from goim_edu.feedback.wording import difference, show
from goim_edu.websocket.frames import Opcode


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"Hi", "b'Hi'"),
        (b"\x81\x00", 'bytes.fromhex("81 00")'),
        (b"x" * 100, "b'x' * 100"),
        (
            bytes(range(30)),
            'bytes.fromhex("00 01 02 03 04 05 06 07 08 09 0a 0b ...") (30 bytes in all)',
        ),
        (bytearray(b"a"), "bytearray(b'a')"),
        ((1,), "(1,)"),
        (Opcode.TEXT, "Opcode.TEXT"),
        (..., "..."),
        ([1, "a"], "[1, 'a']"),
        ({"b", "a"}, "{'a', 'b'}"),
        ({"a": b""}, "{'a': b''}"),
        (object(), "<object object>"),
        ("x" * 100, f"'{'x' * 90}'... (100 characters)"),
        (list(range(20)), "[0, 1, 2, 3, 4, 5, 6, 7, ... 20 in all]"),
    ],
)
def test_values_are_shown_short_and_the_same_each_time(value: object, shown: str) -> None:
    assert show(value) == shown


@pytest.mark.parametrize(
    ("want", "got", "words"),
    [
        (b"a", None, "`return`"),
        (b"a", ..., "fill it in"),
        (b"a", "a", "`str`"),
        (b"a", bytearray(b"a"), "bytearray"),
        ([1], (one for one in [1]), "`yield`"),
        (None, 5, "nothing"),
        ((1, 2), (1,), "2 are wanted"),
        ((1, 2), (1, 3), "Part 1 is `3`"),
        ((1, 2), (1, ...), "fill it in"),
        (([1], 2), ([], 2), "`1` is missing"),
        ([1], [1, 2], "should have 1"),
        ([1], [2], "Item 0 is `2`"),
        ({"a": 1}, {}, "key `'a'` is missing"),
        ({"a": 1}, {"a": 2}, "yours has `2`"),
        ({}, {"a": 2}, "should not be there"),
        (b"ab", b"a", "1 fewer"),
        ("ab", "ab\n", "spaces or line ends"),
        ("ab", "AB", "capital"),
        ("ab", "ax", "Character 1"),
        ("ab", "abc", "3 characters"),
        (1, 2, ""),
        (1, 2.5, ""),
        (Opcode.TEXT, 2, ""),
        ((1, "a"), (1, b"a"), "Part 1 is"),
        ((True, 1), (128, 1), "`number != 0` makes a flag"),
        (True, 128, "`number != 0` makes a flag"),
        (True, 0, ""),
        (0b1010, 1010, "did you mean `0b1010`?"),
        ((1, 0x8A), (1, 0x89), "should be `138`"),
        ("a", b"a", "`data.decode()`"),
        (b"a", "a", "`text.encode()`"),
    ],
)
def test_a_difference_is_named(want: object, got: object, words: str) -> None:
    sentence = difference(want, got)
    assert words in sentence
    assert bool(sentence) == bool(words)
