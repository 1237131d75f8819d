"""The pages of the course, and the exercises on each in the order in which one meets them."""

from __future__ import annotations

from typing import Final

__all__ = ["PAGES", "page_after", "page_of"]

_MET: Final = {
    "01": (1, 4, 7, 2, 3, 6, 5),
    "02": (6, 1, 2, 8, 3, 5, 7, 4),
    "03": (9, 2, 1, 3, 7),
    "03b": (8, 5, 4, 6),
    "04": (1, 2, 4, 9, 8, 3, 7, 5, 6),
    "05": (1, 2, 4, 6, 5, 7, 3),
    "06": (2, 6, 3, 1, 5, 7, 4),
    "07": (1, 7, 2, 6, 5, 3, 4),
    "08": (1, 2, 4, 5, 6, 3),
    "09": (6, 2, 7),
    "09b": (1, 4, 5, 3),
    "10": (1, 2, 5, 6, 7, 4, 3),
    "11": (2, 1, 6, 4, 3, 5),
    "12": (4, 6, 3),
    "12b": (1, 2, 5),
    "13": (1, 2, 5, 3, 6, 4, 7),
    "14": (1, 5, 2, 3, 4, 7, 6),
    "15b": (1, 4, 2, 3),
}

PAGES: Final = {
    page: tuple(f"{page[:2]}.{number}" for number in numbers) for page, numbers in _MET.items()
}
"""The numbers of the exercises by page; ``03b`` is the second page of chapter 03."""


def page_of(exercise: str) -> str:
    """The page that has an exercise; "" where it is none of the course's.

    >>> page_of("03.5"), page_of("my.1")
    ('03b', '')
    """
    return next((page for page, numbers in PAGES.items() if exercise in numbers), "")


def page_after(page: str) -> str:
    """The next page that has exercises; "" behind the last.

    >>> page_after("03"), page_after("15b")
    ('03b', '')
    """
    pages = [*PAGES, ""]
    return pages[pages.index(page) + 1]
