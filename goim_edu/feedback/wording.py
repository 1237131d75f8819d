"""Values and differences in words: what was called, what came out, what is different about it."""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, ParamSpec, TypeVar

from goim_edu.websocket.frames import Frame

__all__ = ["a_type", "difference", "forgotten_prefix", "in_bytes", "said", "show", "show_call"]

P = ParamSpec("P")
T = TypeVar("T")

_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
_MOST_BYTES: Final = 24
_MOST_ITEMS: Final = 8
_MOST_CHARACTERS: Final = 90


def in_bytes(count: int) -> str:
    """How many bytes, in words.

    >>> in_bytes(1), in_bytes(65_536)
    ('1 byte', '65,536 bytes')
    """
    return f"{count:,} byte{'' if count == 1 else 's'}"


def show(value: object) -> str:
    """A value as Python would write it, but short, the same in every run, and bytes as hex.

    >>> print(show(b"Hello"), show(bytes([129, 5])), show(b"a" * 126), sep=chr(10))
    b'Hello'
    bytes.fromhex("81 05")
    b'a' * 126
    """
    if isinstance(value, bytes | bytearray):
        text = _show_bytes(bytes(value))
        return text if isinstance(value, bytes) else f"bytearray({text})"
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, str):
        text = repr(value[:_MOST_CHARACTERS])
        return text if len(value) <= _MOST_CHARACTERS else f"{text}... ({len(value):,} characters)"
    if type(value) is dict:
        pairs = [f"{show(key)}: {show(item)}" for key, item in value.items()]
        return "{" + _join(pairs) + "}"
    if isinstance(value, tuple) and hasattr(value, "_fields") and not isinstance(value, Frame):
        pairs = [f"{name}={show(part)}" for name, part in zip(value._fields, value, strict=True)]
        return f"{type(value).__name__}({', '.join(pairs)})"
    if value is ...:
        return "..."
    if type(value) in (list, tuple):
        parts = [show(part) for part in value]  # type: ignore[attr-defined]
        text = _join(parts)
        if isinstance(value, tuple):
            return f"({text},)" if len(parts) == 1 else f"({text})"
        return f"[{text}]"
    if type(value) in (set, frozenset):
        parts = sorted(show(part) for part in value)  # type: ignore[attr-defined]
        return "{" + _join(parts) + "}" if parts else "set()"
    return _show_other(value)


def _join(parts: Sequence[str]) -> str:
    if len(parts) <= _MOST_ITEMS:
        return ", ".join(parts)
    return ", ".join(parts[:_MOST_ITEMS]) + f", ... {len(parts):,} in all"


def _show_bytes(value: bytes) -> str:
    if len(value) > _MOST_BYTES:
        if len(set(value)) == 1:
            return f"{_show_bytes(value[:1])} * {len(value)}"
        text = value[: _MOST_BYTES // 2].hex(" ")
        return f'bytes.fromhex("{text} ...") ({in_bytes(len(value))} in all)'
    if all(0x20 <= byte < 0x7F for byte in value):
        return repr(value)
    return f'bytes.fromhex("{value.hex(" ")}")'


def _show_other(value: object) -> str:
    try:
        text = _ADDRESS.sub("", repr(value))
    except Exception as error:  # noqa: BLE001 (a learner's __repr__ may do anything)
        return f"an object whose repr raises {type(error).__name__}"
    return text if len(text) <= 200 else text[:200] + " ..."


def show_call(name: str, args: Sequence[object]) -> str:
    r"""A call as the learner would type it.

    >>> show_call("apply_mask", (b"Hi", bytes(4)))
    'apply_mask(b\'Hi\', bytes.fromhex("00 00 00 00"))'
    """
    return f"{name}({', '.join(show(argument) for argument in args)})"


def _quoted(value: object) -> str:
    """A value as code inside a sentence."""
    return f"`{show(value)}`"


def _both(yours: object, right: object) -> str:
    """The learner's value and the right one."""
    return f"{_quoted(yours)}, it should be {_quoted(right)}{_slip(yours, right)}"


def _slip(yours: object, right: object) -> str:
    """What was meant, where the value is right but for how it is written."""
    if isinstance(right, bool) and isinstance(yours, int | float) and bool(yours) == right:
        return ": this is the number; `number != 0` makes a flag of it"
    if bits := forgotten_prefix(yours, right):
        return f": did you mean `{bits}`?"
    return ""


def forgotten_prefix(yours: object, right: object) -> str:
    """The number in binary or hex, where its digits were written without `0b` or `0x`; else "".

    >>> forgotten_prefix(1010, 10), forgotten_prefix(81, 0x81), forgotten_prefix(7, 8)
    ('0b1010', '0x81', '')
    """
    if type(yours) is not int or type(right) is not int:
        return ""
    forms = {f"{right:b}": f"0b{right:b}", f"{right:x}": f"0x{right:x}"}
    return forms.get(str(yours), "") if yours != right else ""


def difference(want: Any, got: Any, parts: Sequence[str] = ()) -> str:
    """Say in one or two sentences what is different about ``got``.

    Args:
        want: the right value.
        got: the learner's.
        parts: what the parts of a tuple are called.

    >>> difference((True, 1), (True, 129), ("fin", "opcode"))
    '`opcode` is `129`, it should be `1`.'
    """
    if got is None and want is not None:
        return "Your function gave `None` back, as a function does that ends without `return`."
    if got is ...:
        return "Your function still gives `...` back: fill it in."
    if type(got) is not type(want) and (sentence := _wrong_type(want, got)):
        return sentence
    if isinstance(want, tuple) and isinstance(got, tuple):
        return _tuple_difference(want, got, parts or getattr(want, "_fields", ()))
    if isinstance(want, list) and isinstance(got, list):
        return _list_difference(want, got)
    if isinstance(want, dict) and isinstance(got, dict):
        return _dict_difference(want, got)
    if isinstance(want, bytes) and isinstance(got, bytes):
        return _bytes_difference(want, got)
    if isinstance(want, str) and isinstance(got, str):
        return _text_difference(want, got)
    if _slip(got, want):
        return f"Your answer is {_both(got, want)}."
    return ""


_TEXT_OR_BYTES: Final = {
    ("bytes", "str"): ": `data.decode()` makes a text of bytes",
    ("str", "bytes"): ": `text.encode()` makes bytes of a text",
}


def _wrong_type(want: object, got: object) -> str:
    numbers = (bool, int, float)
    if isinstance(want, numbers) and isinstance(got, numbers):
        return ""
    if isinstance(want, type(got)) or isinstance(got, type(want)):
        return ""  # an IntEnum for an int, a NamedTuple for a tuple
    is_, wants = type(got).__name__, type(want).__name__
    if want is None:
        return f"Your function gave {_quoted(got)} back; nothing (`None`) was right here."
    if isinstance(got, bytearray) and bytes(got) == want:
        return "The bytes are right, but a `bytearray` can still change: give back `bytes(...)`."
    if inspect.iscoroutine(got):
        return f"Your function gave back a coroutine (it says `async`); {a_type(wants)} is wanted."
    if hasattr(got, "__next__"):
        return f"Your function is a generator (it says `yield`); give back {a_type(wants)}."
    way = _TEXT_OR_BYTES.get((is_, wants), "")
    return f"Your function gave back {a_type(is_)}; {a_type(wants)} is wanted{way}."


def a_type(name: str) -> str:
    """The name of a type with its article.

    >>> a_type("int"), a_type("str")
    ('an `int`', 'a `str`')
    """
    return f"{'an' if name[0].lower() in 'aeio' else 'a'} `{name}`"


def _tuple_difference(want: tuple[Any, ...], got: tuple[Any, ...], parts: Sequence[str]) -> str:
    if len(want) != len(got):
        names = f" ({', '.join(parts)})" if parts else ""
        return f"Your tuple has {len(got)} parts; {len(want)} are wanted{names}."
    for index, (right, yours) in enumerate(zip(want, got, strict=True)):
        if right != yours:
            name = f"`{parts[index]}`" if parts else f"part {index}"
            if yours is ...:
                return f"For {name} there is still `...`: fill it in."
            if isinstance(right, tuple | list | dict) and type(yours) is type(right):
                deeper = difference(right, yours)
                return f"In {name}: {deeper[0].lower()}{deeper[1:]}"
            sentence = f"{name} is {_both(yours, right)}."
            return sentence[0].upper() + sentence[1:]
    return ""


def _list_difference(want: list[Any], got: list[Any]) -> str:
    for index, (right, yours) in enumerate(zip(want, got, strict=False)):
        if right != yours:
            return f"Item {index} is {_both(yours, right)}."
    if len(got) < len(want):
        return (
            f"Your list ends after {len(got)} of {len(want)}: {_quoted(want[len(got)])} is missing."
        )
    return f"Your list has {len(got)} items, it should have {len(want)}."


def _dict_difference(want: dict[Any, Any], got: dict[Any, Any]) -> str:
    for key, right in want.items():
        if key not in got:
            return f"The key {_quoted(key)} is missing."
        if got[key] != right:
            return f"At {_quoted(key)} yours has {_both(got[key], right)}."
    extra = next((key for key in got if key not in want), None)
    return f"The key {_quoted(extra)} should not be there."


def _bytes_difference(want: bytes, got: bytes) -> str:
    if len(got) == len(want):
        return ""
    more = "more" if len(got) > len(want) else "fewer"
    count = abs(len(got) - len(want))
    return f"Yours has {in_bytes(len(got))}, {count:,} {more} than it should ({len(want):,})."


def _text_difference(want: str, got: str) -> str:
    if got.strip() == want.strip():
        return "Only the spaces or line ends around it are different."
    if got.lower() == want.lower():
        return "Only capital and small letters are different."
    for index, (right, yours) in enumerate(zip(want, got, strict=False)):
        if right != yours:
            return f"Character {index} is the first wrong one: {_both(yours, right)}."
    return f"Yours has {len(got)} characters, it should have {len(want)}."


def said(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | str:
    """Call a function; return its result, or the kind and the first words of its error.

    Only the words before the first comma or colon are kept: a driver goes on with addresses and
    times, which differ from run to run.

    Args:
        function: what to call.
        arguments: what it is given in their order.
        named: what it is given by name.

    >>> said(int, "7")
    7
    >>> said(int, "seven")
    'ValueError: invalid literal for int() with base 10'
    """
    try:
        return function(*arguments, **named)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the lesson wants to show
        words = re.split(r": |, ", str(error), maxsplit=1)[0]
        return f"{type(error).__name__}: {words}" if words else type(error).__name__
