"""Masking: payload XOR key, without a loop over the octets (RFC 6455 §5.3).

Octet i of the payload is combined with octet i modulo 4 of the key, four random octets that stand
in the frame. It hides nothing: it keeps a page's script from choosing the octets on the wire, so
that no proxy can be made to take them for HTTP (§10.3). Masking twice gives the original back.

There are three methods, one for each size of the task:

* a short payload is one number, the key repeated is another, and Python can XOR numbers;
* a long payload is an array of 64-bit words, and NumPy can XOR arrays, in place if that is allowed;
* many short payloads, as they stand in one read from the socket, are one array of 32-bit words.

The first long payload imports NumPy. Without NumPy every payload is a number. Where the package is
compiled, a dozen lines of C stand for the first two (``_xor.c``).
"""

from __future__ import annotations

from functools import cache
from sys import byteorder
from typing import TYPE_CHECKING, Any, Final

from goim_edu.errors import LocalProtocolError
from goim_edu.websocket.octets import Octets, as_octets, as_view

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

__all__ = [
    "IN_PLACE_FROM",
    "apply_mask",
    "have_numpy",
    "mask_in_place",
    "mask_to_view",
    "unmask_many",
]

_NUMPY_FROM: Final = 720  # octets: from here on NumPy is quicker


def _compiled() -> Callable[[Octets, bytes], bytes] | None:
    try:
        from goim_edu.websocket._xor import xor
    except ImportError:
        return None
    return xor


_xor: Final = _compiled()
IN_PLACE_FROM: Final = 700 if _xor is None else 32_768
"""Octets: from here on it is quicker to unmask a payload where it stands than to copy it."""


@cache
def _numpy() -> ModuleType | None:
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def have_numpy() -> bool:
    """Whether NumPy is installed, so that ``unmask_many`` works."""
    return _numpy() is not None


def apply_mask(payload: Octets, mask_key: Octets) -> bytes:
    """Mask or unmask: octet i is combined by XOR with octet i modulo 4 of the key (§5.3).

    Args:
        payload: the octets.
        mask_key: four octets.

    Raises:
        LocalProtocolError: the key does not have four octets.
        TypeError: one of them is not a buffer.

    >>> apply_mask(b"Hello", bytes.fromhex("37fa213d")).hex(" ")
    '7f 9f 4d 51 58'
    """
    if type(payload) is not bytes:
        payload = as_view(payload)
    if type(mask_key) is not bytes:
        mask_key = as_octets(mask_key)
    if len(mask_key) != 4:
        raise LocalProtocolError(f"a masking key has 4 octets, not {len(mask_key)}")
    if _xor is not None:
        return _xor(payload, mask_key)
    size = len(payload)
    if size >= _NUMPY_FROM and (numpy := _numpy()) is not None:
        masked: bytes = _mask_words(numpy, payload, mask_key).tobytes()
        return masked[:size]
    keys = (mask_key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(keys)).to_bytes(size)


def mask_to_view(payload: bytes | memoryview, mask_key: bytes) -> bytes | memoryview:
    """As ``apply_mask``, but a long result is a view; a caller that only reads it saves a copy.

    >>> bytes(mask_to_view(b"Hello", bytes.fromhex("37fa213d"))).hex(" ")
    '7f 9f 4d 51 58'
    """
    size = len(payload)
    if _xor is not None or size < _NUMPY_FROM or (numpy := _numpy()) is None:
        return apply_mask(payload, mask_key)
    return memoryview(_mask_words(numpy, payload, mask_key)).cast("B")[:size]


def _mask_words(numpy: ModuleType, payload: bytes | memoryview, mask_key: bytes) -> Any:
    """The payload XOR the key as an array of 64-bit words; what fills up the last one is no use."""
    if missing := -len(payload) % 8:
        payload = b"".join((payload, bytes(missing)))
    words = numpy.frombuffer(payload, numpy.uint64)
    return numpy.bitwise_xor(words, int.from_bytes(mask_key * 2, byteorder))


def mask_in_place(octets: bytearray | memoryview, mask_key: bytes, start: int = 0) -> None:
    """Mask or unmask octets where they stand, which saves a copy.

    It goes by words of eight octets, so up to seven octets before ``start`` change, too. Masking a
    second time changes them back.

    Args:
        octets: what to change.
        mask_key: four octets.
        start: where the payload starts in ``octets``; it goes on to their end.

    Raises:
        LocalProtocolError: the key does not have four octets.

    >>> octets = bytearray(b"Hello")
    >>> mask_in_place(octets, bytes.fromhex("37fa213d"))
    >>> octets.hex(" ")
    '7f 9f 4d 51 58'
    """
    if len(mask_key) != 4:
        raise LocalProtocolError(f"a masking key has 4 octets, not {len(mask_key)}")
    first = start & ~7
    count = len(octets) - first >> 3
    numpy = _numpy()
    if numpy is None or not count:
        octets[start:] = apply_mask(bytes(octets[start:]), mask_key)
        return
    rotation = first - start & 3
    key = (mask_key * 3)[rotation : rotation + 8]
    words = numpy.frombuffer(octets, numpy.uint64, count, first)
    words ^= int.from_bytes(key, byteorder)
    rest = first + 8 * count
    if rest < len(octets):
        octets[rest:] = apply_mask(bytes(octets[rest:]), key[:4])


@cache
def _rotated_masks() -> tuple[Any, Any]:
    """For a payload that starts 0 to 3 octets into a word: which octets of two words are its key.

    The four octets of the key end where the payload starts, so they stand in the word before and in
    this one, and already in the lanes in which they are needed.
    """
    import numpy

    octets = [[lane < offset for lane in range(4)] for offset in range(4)]
    here = numpy.array(octets, numpy.uint8) * numpy.uint8(0xFF)
    here = here.view(numpy.uint32).ravel()
    return here, ~here


def unmask_many(data: bytes, starts: Sequence[int]) -> Any:
    """Unmask all payloads of a series of frames at once, each where it stands.

    A header with its key has six octets or more, so no 32-bit word holds octets of two payloads.
    So each word, from the one in which a payload starts up to where the next one starts, is
    combined with the key of that payload, rotated to fit the place. The headers between them are
    changed, too, and are not used any more.

    Args:
        data: the frames, with at least four octets before the first payload.
        starts: where each payload starts, ascending; each ends six octets or more before the next.

    Returns:
        An array of octets as long as ``data``, of which only the payloads mean anything.

    Raises:
        ImportError: there is no NumPy.

    >>> data = bytes.fromhex("8185 37fa213d 7f9f4d5158  8182 01020304 4a4d")
    >>> octets = unmask_many(data, [6, 17]).tobytes()
    >>> octets[6:11], octets[17:19]
    (b'Hello', b'KO')
    """
    import numpy

    data += bytes(-len(data) % 4)
    words = numpy.frombuffer(data, numpy.uint32)
    places = numpy.fromiter(starts, numpy.int64, len(starts))
    offsets = places & 3
    places >>= 2
    here, before = _rotated_masks()
    # An empty payload at the very end starts behind the last word; any key will do for it.
    keys = words.take(places, mode="clip") & here[offsets] | words[places - 1] & before[offsets]
    sizes = numpy.empty_like(places)
    numpy.subtract(places[1:], places[:-1], sizes[:-1])
    sizes[-1] = len(words) - places[-1]
    sizes[0] += places[0]
    return words ^ keys.repeat(sizes)
