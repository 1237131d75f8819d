"""Changed solutions that pass since they do the same in every input that the task allows."""

from __future__ import annotations

from typing import Final

__all__ = ["EQUIVALENT"]

_NOT_NEGATIVE: Final = "none of its numbers is negative"
_NAMES: Final = "the names are those of the protocol, in small ASCII letters"
_HEX: Final = "24 hex characters as MongoDB writes them"
_NO_TEXT: Final = "no argument of the function itself is a text"

EQUIVALENT: Final[dict[str, dict[str, str]]] = {
    "01.3": {
        "absolute numbers": _NOT_NEGATIVE,
    },
    "01.4": {
        "stripped": "each word is stripped anyway",
        "only Latin-1": "letters beyond Latin-1 match nothing, as the ? in their place",
    },
    "02.2": {
        "stripped": "a key has no spaces around it",
        "only Latin-1": "a key is ASCII",
    },
    "02.3": {
        "line 6: 'x' for ''": "neither is what is wanted",
        "line 9: 'x' for ''": "neither is what is wanted",
        "stripped": "a text that is compared has no spaces around it",
        "only Latin-1": "a key is ASCII",
        "absolute numbers": _NOT_NEGATIVE,
    },
    "02.4": {
        "line 18: without the last argument": "None is not 13 either",
        "line 18: 'x' for ''": "neither is what is wanted",
        "line 21: 'x' for ''": "neither is what is wanted",
        "line 8: 'x' for ''": "neither is what is wanted",
        "stripped": "a text that is compared has no spaces around it",
        "only Latin-1": "letters beyond Latin-1 match nothing, as the ? in their place",
    },
    "02.5": {
        "stripped": "each name is stripped anyway",
        "only Latin-1": "a name of a subprotocol is ASCII",
    },
    "03.2": {
        "reads at most 125": "only two bytes are read",
        "reads at most 255": "only two bytes are read",
    },
    "03.4": {
        "line 5: 2 for 1": "no default is asked for",
        "line 5: 0 for 1": "no default is asked for",
        "line 5: False for True": "no default is asked for",
        "line 5: 0 for None": "no default is asked for",
        "line 14: without the last argument": "big is the default of Python",
        "line 16: without the last argument": "big is the default of Python",
        "absolute numbers": _NOT_NEGATIVE,
    },
    "03.5": {
        "line 18: LShift for RShift": "only asked whether it is 0",
        "line 18: only the left side": "only asked whether it is 0",
        "line 16: only the left side": "the shift drops the other bits",
        "line 18: 6 for 7": "only asked whether it is 0",
        "line 22: without the last argument": "big is the default of Python",
        "line 16: 129 for 128": "the shift drops the lowest bit",
        "line 18: 129 for 128": "the shift drops the lowest bit",
        "line 25: without the last argument": "big is the default of Python",
    },
    "03.6": {
        "line 28: without condition 1": "up to 125 bytes 64 bits are refused as well",
        "line 40: without bool": "only asked whether it is 0",
        "line 20: 7 for 8": "opcode 7 was refused before",
        "line 22: 7 for 8": "opcode 7 was refused before",
        "line 45: without the last argument": "big is the default of Python",
    },
    "04.4": {
        "absolute numbers": _NOT_NEGATIVE,
    },
    "04.5": {
        "line 4: Mult for FloorDiv": "a key that is repeated too often is cut",
        "line 4: only the left side": "a key that is repeated too often is cut",
        "line 4: 2 for 1": "a key that is repeated too often is cut",
        "line 4: 3 for 4": "a key that is repeated too often is cut",
    },
    "04.7": {
        "line 3: without strict=": "both have four bytes",
        "line 3: False for True": "both have four bytes",
        "reads at most 125": "only four bytes are read",
        "reads at most 255": "only four bytes are read",
    },
    "05.3": {
        "line 9: the if never": "one byte is no code that may be sent",
        "line 10: no raise": "one byte is no code that may be sent",
        "line 11: without the last argument": "big is the default of Python",
        "line 9: 0 for 1": "one byte is no code that may be sent",
        "line 16: 'UTF-8' for 'utf-8'": "two names of one encoding",
        "reads at most 125": "a Close has at most 125",
        "reads at most 255": "a Close has at most 125",
    },
    "05.4": {
        "line 6: 'UTF-8' for 'utf-8'": "two names of one encoding",
    },
    "05.7": {
        "absolute numbers": _NOT_NEGATIVE,
    },
    "06.2": {
        "reads at most 255": "a Ping has at most 131 with its header",
    },
    "06.4": {
        "absolute numbers": _NOT_NEGATIVE,
    },
    "07.2": {
        "line 6: 14 for 15": "every DEFLATE of the message is right",
    },
    "07.3": {
        "line 7: only the left side": "see case 1: read without them, too",
        "line 7: b'' for b'\\x00\\x00\\xff\\xff'": "see case 1: read without them, too",
        "line 7: b'\\x00\\x00\\xff\\xffx' for b'\\x00\\x00\\xff\\xff'": "opens an empty block",
        "line 7: 2 for 1": "one byte more is still not much more",
        "absolute numbers": _NOT_NEGATIVE,
    },
    "07.4": {
        "stripped": "each piece is stripped anyway",
        "only Latin-1": "a header is ASCII",
    },
    "08.3": {
        "stripped": "a text that is compared has no spaces around it",
        "only Latin-1": "letters beyond Latin-1 match nothing, as the ? in their place",
    },
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
    "15.2": {"absolute numbers": _NOT_NEGATIVE},
    "15.3": {"sorts its first argument": "only the number of the texts matters"},
}
"""Number of an exercise -> what was changed -> why this changes nothing."""
