"""Options of the command line, made from the fields of dataclasses and their docstrings."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import Field, dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

__all__ = ["Option", "in_flags", "options_of"]

_FLAGS: Final = {
    "origins": "--allow-origin",
    "hosts": "--allow-host",
    "trusted_proxies": "--trusted-proxy",
}
"""The flags that are not named as their fields."""
_WITHOUT_FLAG: Final = {"limits", "missed"}
_METAVARS: Final = {
    "seconds": "S",
    "octets": "BYTES",
    "characters": "CHARACTERS",
    "requests a second": "PER_SECOND",
    "frames a second": "PER_SECOND",
    "handshakes a second": "PER_SECOND",
    "file": "FILE",
    "pages": "ORIGIN",
    "names": "NAME",
    "networks": "NETWORK",
    "audience": "NAME",
    "address": "HOST",
    "number of the TCP port": "PORT",
}
"""What stands for the value of an option, by the first words of its description."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a command.

    Args:
        name: of the field that it sets.
        flag: as it is written.
        details: the other arguments of ``add_argument``.
    """

    name: str
    flag: str
    details: dict[str, Any]


def options_of(*classes: type) -> list[Option]:
    """The options that set the fields of some dataclasses.

    A flag is named as its field. Its help is what the docstring says of the field under ``Args:``.

    >>> @dataclass
    ... class Pace:
    ...     '''How fast.
    ...
    ...     Args:
    ...         max_delay: seconds to wait.
    ...     '''
    ...
    ...     max_delay: float = 0.5
    >>> [option] = options_of(Pace)
    >>> option.flag, option.details["metavar"], option.details["default"]
    ('--max-delay', 'S', 0.5)
    """
    return [option for cls in classes for option in _options_of(cls)]


def in_flags(text: str, options: Sequence[Option]) -> str:
    """What an error says of settings, in the words of the command line.

    A setting is told from an ordinary word by its place at the beginning, its underline, or its
    value.

    >>> options = [Option("auth", "--auth", {}), Option("tls_key", "--tls-key", {})]
    >>> in_flags("auth='jwt' needs tls_key", options)
    '--auth jwt needs --tls-key'
    """
    flags = {option.name: option.flag for option in options}

    def flag(found: re.Match[str]) -> str:
        name, value = found["name"], found["value"]
        if name not in flags or (not value and "_" not in name and found.start()):
            return found[0]
        return flags[name] + (f" {value}" if value and value != "True" else "")

    return re.sub(r"\b(?P<name>[a-z_]+)(?:='?(?P<value>\w+)'?)?", flag, text)


def _options_of(cls: type) -> Iterator[Option]:
    meanings = _described(cls)
    kinds = get_type_hints(cls)
    for one in fields(cls):
        if one.name not in _WITHOUT_FLAG:
            flag = _FLAGS.get(one.name, "--" + one.name.replace("_", "-"))
            meaning = meanings.get(one.name, "")
            details = {"dest": one.name, "default": one.default, "help": meaning}
            yield Option(one.name, flag, details | _form(one, kinds[one.name], meaning))


def _described(cls: type) -> dict[str, str]:
    """What the docstring of a class says of each of its arguments, as plain text for argparse."""
    section = (inspect.getdoc(cls) or "").partition("Args:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n {6,}.*)*)", section, re.MULTILINE)
    return {
        name: re.sub(r"\s+", " ", text).replace("``", "").replace("%", "%%").rstrip(".")
        for name, text in found
    }


def _form(one: Field[Any], kind: Any, meaning: str) -> dict[str, Any]:
    """How the value of a field is written on the command line."""
    if isinstance(one.default, bool):
        return {"action": argparse.BooleanOptionalAction}
    if get_origin(kind) is Literal:
        return {"choices": get_args(kind)}
    metavar = next((m for start, m in _METAVARS.items() if meaning.startswith(start)), "N")
    if isinstance(one.default, tuple):
        form = {"action": "append", "default": list(one.default), "metavar": metavar}
        return form | {"help": f"{meaning}; may be repeated"}
    if isinstance(kind, UnionType):
        return {"type": Path, "metavar": metavar}
    return {"type": kind, "metavar": metavar}
