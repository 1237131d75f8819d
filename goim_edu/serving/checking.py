"""Whether settings are what they must be: each fault is a sentence with the setting's name."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

__all__ = ["check_settings"]

_MOST: Final = 1e18  # of seconds, octets or anything else; a NaN is not below it


class Settings(Protocol):
    """A dataclass whose fields have defaults."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


def check_settings(
    settings: Settings, *, or_none: Collection[str] = (), but: Collection[str] = ()
) -> None:
    """Refuse settings whose kind or range is wrong, and bring the others into one form.

    The default says what a setting must be. A number is more than 0; a sequence of str becomes a
    tuple, and where the default is None, a str becomes a Path.

    Args:
        settings: a dataclass.
        or_none: the names of those numbers that may also be 0.
        but: the names of those that are not looked at.

    Raises:
        ValueError: the name of the setting, what it must be, and what it is.

    >>> from goim_edu.chat.limits import ChatLimits
    >>> check_settings(ChatLimits(burst=0))
    Traceback (most recent call last):
    ...
    ValueError: burst must be a whole number of 1 or more, not 0
    """
    for one in fields(settings):
        default = _default(one)
        if default is MISSING or one.name in but:
            continue
        given = getattr(settings, one.name)
        if isinstance(default, tuple) and isinstance(given, str):
            raise ValueError(f"{one.name} is a sequence, not the str {given!r}")
        wanted = _wanted(default, given, zero=one.name in or_none)
        if wanted:
            raise ValueError(f"{one.name} must be {wanted}, not {given!r}")
        if isinstance(default, tuple):
            object.__setattr__(settings, one.name, tuple(given))
        elif default is None and isinstance(given, str):
            object.__setattr__(settings, one.name, Path(given))


def _default(one: Field[Any]) -> Any:
    return one.default if one.default_factory is MISSING else MISSING


def _wanted(default: Any, given: Any, *, zero: bool) -> str:
    """What a setting must be, in words; empty if it is so."""
    return next((words for words, good in _rules(default, given, zero) if not good), "")


def _rules(default: Any, given: Any, zero: bool) -> Iterator[tuple[str, bool]]:
    if isinstance(default, bool):
        yield "True or False", isinstance(given, bool)
    elif isinstance(default, str):
        yield "a str that is not empty", isinstance(given, str) and (given != "" or not default)
    elif default is None:
        yield "a path", isinstance(given, str | Path | None) and given != ""
    elif isinstance(default, tuple):
        yield "a sequence of str", _is_sequence_of_str(given)
    else:
        whole = isinstance(default, int)
        kind = int if whole else (int, float)
        number = isinstance(given, kind) and not isinstance(given, bool)
        low = f"{0 if zero else 1} or more" if whole else "0 or more" if zero else "more than 0"
        what = f"a {'whole ' if whole else ''}number of {low}"
        yield what, number and (given >= 0 if zero else given > 0)
        yield f"{what} and less than {_MOST:g}", given < _MOST


def _is_sequence_of_str(given: Any) -> bool:
    if not isinstance(given, list | tuple | set | frozenset):
        return False
    return all(isinstance(one, str) for one in given)
