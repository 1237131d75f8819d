"""What a chat client takes from its caller is looked at once, before anything is sent."""

from __future__ import annotations

from typing import Final

__all__ = ["check_number", "check_text"]

_MOST: Final = 2**63 - 1  # the highest number that a message can have


def check_text(*texts: str) -> None:
    """Raise an error for what cannot be written now, not when it is sent.

    Raises:
        TypeError: one of them is not a str.
        ValueError: one of them has lone surrogates, so UTF-8 cannot write it.

    >>> check_text("lobby", 5)
    Traceback (most recent call last):
    ...
    TypeError: a name or a text is a str, not the int 5
    """
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"a name or a text is a str, not the {type(text).__name__} {text!r}")
        text.encode()


def check_number(name: str, value: int, least: int) -> None:
    """Raise an error for a number that the server would refuse.

    Args:
        name: of the argument.
        value: what was given.
        least: the lowest number that is good.

    Raises:
        TypeError: it is not an int.
        ValueError: it is out of its range.

    >>> check_number("limit", 0, 1)
    Traceback (most recent call last):
    ...
    ValueError: limit must be 1 to 2**63-1, not 0
    """
    if not isinstance(value, int):
        raise TypeError(f"{name} is an int, not the {type(value).__name__} {value!r}")
    if not least <= value <= _MOST:
        raise ValueError(f"{name} must be {least} to 2**63-1, not {value}")
