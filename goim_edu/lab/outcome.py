"""What comes of a call, in one line: for lessons in which much goes wrong on purpose."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

__all__ = ["said"]


def said(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call it; answer what it gives, or the kind and the first words of the error that it raises.

    What a driver says after the first comma or colon differs from run to run: addresses, times.

    >>> said(int, "7")
    7
    >>> said(int, "seven")
    'ValueError: invalid literal for int() with base 10'
    """
    try:
        return function(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the lesson wants to show
        words = re.split(r": |, ", str(error), maxsplit=1)[0]
        return f"{type(error).__name__}: {words}" if words else type(error).__name__
