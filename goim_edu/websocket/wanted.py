"""Arguments of a wrong type are refused in one sentence: what is wanted, and what was given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

__all__ = ["HeaderFields", "items", "pairs", "rows", "wanted"]

_T = TypeVar("_T")

HeaderFields = Mapping[str, str] | Iterable[tuple[str, str]]
"""Names of header fields with their values: a mapping, or pairs in their order."""


def wanted(value: object, kinds: type | tuple[type, ...], words: str) -> None:
    """Refuse a value that is not of these types.

    Args:
        value: what was given.
        kinds: the types that will do.
        words: what is wanted, as the start of the sentence.

    Raises:
        TypeError: it is of another type.

    >>> wanted(5, str, "host is a str")
    Traceback (most recent call last):
    ...
    TypeError: host is a str, not int
    """
    if not isinstance(value, kinds):
        raise TypeError(f"{words}, not {type(value).__name__}")


def items(value: Iterable[_T], kinds: type | tuple[type, ...], words: str) -> list[_T]:
    """The items of a list, each of these types; one text would be taken apart into its letters.

    Raises:
        TypeError: it is a text or octets, cannot be iterated over, or has an item of another type.

    >>> items("chat", str, "subprotocols is a list of names")
    Traceback (most recent call last):
    ...
    TypeError: subprotocols is a list of names, not str
    """
    if isinstance(value, str | bytes | bytearray) or not isinstance(value, Iterable):
        raise TypeError(f"{words}, not {type(value).__name__}")
    found = list(value)
    for one in found:
        wanted(one, kinds, f"{words}: each is a {_named(kinds)}")
    return found


def _named(kinds: type | tuple[type, ...]) -> str:
    return " or ".join(one.__name__ for one in (kinds if isinstance(kinds, tuple) else (kinds,)))


def rows(value: Iterable[_T], width: int, words: str) -> list[_T]:
    """The rows of a list, each of so many values.

    Raises:
        TypeError: it is not a list, or one of its rows is not a tuple or list of this length.

    >>> rows([(0.0, 1), (0.5, 2, 3)], 2, "samples is a list of (time, value)")
    Traceback (most recent call last):
    ...
    TypeError: samples is a list of (time, value), not of 3 values each
    """
    found = items(value, (tuple, list), words)
    for row in found:
        if isinstance(row, tuple | list) and len(row) != width:
            raise TypeError(f"{words}, not of {len(row)} values each")
    return found


def pairs(value: HeaderFields, words: str) -> list[tuple[str, str]]:
    """Names with their values: out of a mapping, or pairs in their order.

    Raises:
        TypeError: it is something else.

    >>> pairs({"A": "1"}, "headers is a mapping or pairs"), pairs([("B", "2")], "headers is pairs")
    ([('A', '1')], [('B', '2')])
    """
    found = rows(value.items() if isinstance(value, Mapping) else value, 2, words)
    for row in found:
        items(row, str, words)
    return found
