"""Octets out of whatever holds them: every length of the protocol counts octets (RFC 6455 §5.2)."""

from __future__ import annotations

__all__ = ["Octets", "as_octets", "as_view"]

Octets = bytes | bytearray | memoryview
"""What holds octets. Of a memoryview all octets count, whatever its items are."""


def as_octets(data: object) -> bytes:
    r"""The octets of a buffer, in their order, whatever its items are.

    A buffer may have items of several octets, or gaps between them, so its ``len`` says little. And
    ``bytes`` would take a number for a length, and a list for octets.

    Args:
        data: bytes, bytearray, memoryview, array, or any other buffer.

    Raises:
        TypeError: it is not a buffer; the text names its type.

    >>> from array import array
    >>> as_octets(memoryview(array("B", [1, 2, 3]))[::2])
    b'\x01\x03'
    >>> as_octets([1, 2])
    Traceback (most recent call last):
    ...
    TypeError: octets are bytes or another buffer, not list
    """
    if type(data) is bytes:
        return data
    try:
        view = memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        kind = type(data).__name__
        raise TypeError(f"octets are bytes or another buffer, not {kind}") from None
    return view.tobytes()


def as_view(data: object) -> bytes | memoryview:
    """As ``as_octets``, but a memoryview of single octets stays as it is, which saves a copy.

    >>> as_view(memoryview(bytearray(b"Hi")))  # doctest: +ELLIPSIS
    <memory at ...>
    """
    if type(data) is bytes:
        return data
    if type(data) is memoryview and data.format == "B" and data.ndim == 1 and data.contiguous:
        return data
    return as_octets(data)
