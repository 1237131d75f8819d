"""Names of users on one line of a terminal: as many as fit, and how many more there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from goim_edu.errors import needs_extra
from goim_edu.printable import printable_name

with needs_extra("terminal"):
    from prompt_toolkit.utils import get_cwidth

__all__ = ["clipped", "company"]

_LONGEST: Final = 24  # cells of one name


def clipped(text: str, cells: int) -> str:
    """Return ``text``, cut where it would take more than ``cells`` columns of a terminal.

    Args:
        text: one line; a Chinese character takes two cells, a combining mark none.
        cells: the room there is, 1 or more.

    >>> clipped("早上好 lisa", 6)
    '早上…'
    """
    if get_cwidth(text) <= cells:
        return text
    while text and get_cwidth(text) > cells - 1:
        text = text[:-1]
    return f"{text}…"


def company(names: Sequence[str], count: int, cells: int) -> str:
    """Return the names as far as there is room, and the number of those that are not named.

    Args:
        names: of some or all of them, as they came from the server.
        count: how many they are in all.
        cells: the columns of a terminal that they may take.

    >>> company(["ada", "lin", "tom"], 300, 20)
    'ada and 299 more'
    >>> company(["ada", "lin"], 2, 20)
    'ada, lin'
    """
    said = ""
    for number, name in enumerate(names, 1):
        more = f"{said}, {clipped(printable_name(name), _LONGEST)}".removeprefix(", ")
        rest = f" and {count - number} more" if count > number else ""
        if get_cwidth(more + rest) > cells:
            return f"{said} and {count - number + 1} more" if said else f"{count} people"
        said = more
    return f"{said} and {count - len(names)} more" if count > len(names) else said
