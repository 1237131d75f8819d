"""As ``equivalents``, for the chapters 09 to 14."""

from __future__ import annotations

from typing import Final

__all__ = ["EQUIVALENT"]

_NOT_NEGATIVE: Final = "none of its numbers is negative"
_NAMES: Final = "the names are those of the protocol, in small ASCII letters"
_HEX: Final = "24 hex characters as MongoDB writes them"
_NO_TEXT: Final = "no argument of the function itself is a text"

EQUIVALENT: Final[dict[str, dict[str, str]]] = {
    "09.3": {
        "line 3: -1 for 0": "a bucket that is full at -1 is full at 0",
        "absolute numbers": _NOT_NEGATIVE,
    },
    "09.4": {
        "sorts its first argument": "the result is sorted",
        "each element once": "the result is made from a set",
        "absolute numbers": _NOT_NEGATIVE,
    },
    "09.5": {
        "lower case": _NAMES,
        "stripped": _NAMES,
        "only Latin-1": _NAMES,
        "absolute numbers": _NOT_NEGATIVE,
    },
    "09.7": {
        "line 6: return None": "what is sent and stored is asked for, nothing else",
        "remembers by its first argument": "each call has a send of its own",
        "absolute numbers": _NOT_NEGATIVE,
    },
    "10.3": {
        "lower case": _HEX,
        "stripped": _HEX,
        "only Latin-1": _HEX,
    },
    "10.5": {"line 3: 4 for 5": "byte 4 is the type 0x02, which is not zero"},
    "11.1": {"each element once": "an index names each field once"},
    "11.3": {
        "each element once": "each message has a number of its own",
        "absolute numbers": _NOT_NEGATIVE,
    },
    "12.2": {
        "line 13: -1 for 0": "the list has one element",
        "remembers by its first argument": "each call has a connect of its own",
        "absolute numbers": "no argument of the function itself is a number",
    },
    "12.3": {"absolute numbers": _NOT_NEGATIVE},
    "12.4": {
        "line 10: without condition 2": "what is a duplicate is stored",
        "lower case": _NO_TEXT,
        "stripped": _NO_TEXT,
        "only Latin-1": _NO_TEXT,
    },
    "12.5": {"remembers its first result": "it is called once, then the process has ended"},
    "13.1": {"absolute numbers": _NOT_NEGATIVE},
    "13.3": {"sorts its first argument": "the solution sorts it anyway"},
    "13.4": {"line 4: without strict=": "False is what zip does by itself"},
    "13.5": {"line 7: only the first turn": "continue goes round before the break is met"},
    "14.2": {
        "lower case": "field names of the chat are in small letters; values are in the query",
        "stripped": "a field name has no spaces around it",
        "only Latin-1": "field names of the chat are ASCII",
    },
    "14.5": {
        "sorts its first argument": "the solution sorts it anyway",
        "absolute numbers": _NOT_NEGATIVE,
    },
}
