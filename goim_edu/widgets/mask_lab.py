"""MaskLab: a payload, a key and what XOR makes of them, bit by bit, while both are edited."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

import traitlets

from goim_edu import draw
from goim_edu.palette import OKABE_ITO, ink_on
from goim_edu.printable import printable
from goim_edu.websocket.explain import explain
from goim_edu.websocket.frames import Frame, Opcode, build_frame
from goim_edu.websocket.masking import apply_mask
from goim_edu.widgets.base import Lab, octets_of, script, style

__all__ = ["MaskLab"]

_KEY: Final = bytes.fromhex("37fa213d")  # of the examples in RFC 6455 §5.7
_SHOWN: Final = 16  # octets whose bits are drawn
_MOST_PAYLOAD: Final = 1 << 17  # octets that the payload field takes
_MOST_TYPED: Final = 2000  # octets that the payload field shows
_LISTED: Final = 24  # octets in a line of the table
_BANDS: Final = {"payload": "green", "key": "purple", "wire": "sky"}  # as in draw.masking


class _Octets(traitlets.TraitType[bytes, bytes | str]):
    """Bytes; a text is taken as its UTF-8."""

    default_value = b""
    info_text = "bytes or a text"

    def validate(self, obj: Any, value: object) -> bytes:
        if isinstance(value, str):
            return value.encode()
        if not isinstance(value, bytes):
            self.error(obj, value)
        return value


class MaskLab(Lab):
    """Edit payload and masking key and see each bit on the wire turn over, or not, at once.

    Click a bit of the payload or of the key to flip it; with the keyboard, the arrow keys go from
    bit to bit and Space flips. What goes on the wire is computed by ``masking.apply_mask``, which
    the live server uses too.

    Args:
        payload: the octets before masking; a text stands for its UTF-8.
        key: four octets; without it the key of the examples in RFC 6455.

    Attributes:
        payload: the octets before masking; to read, to set (a text too) and to observe.
        key: the four octets of the masking key, likewise.
        masking: whether the frame is masked; a client that switches it off breaks a rule.
        twice: whether the browser shows the second masking bit by bit too.

    >>> lab = MaskLab("Hello")
    >>> lab.masked.hex(" ")
    '7f 9f 4d 51 58'
    >>> lab.flip_key(0)
    >>> lab.masked.hex(" "), lab.again
    ('ff 9f 4d 51 d8', b'Hello')
    """

    _esm = script("mask_lab")
    _css = style("mask_lab")

    payload = _Octets()
    key = traitlets.Bytes(_KEY)
    masking = traitlets.Bool(True)
    twice = traitlets.Bool(False)
    colours = traitlets.Dict().tag(sync=True)

    def __init__(self, payload: bytes | str = "Hello", key: bytes = _KEY) -> None:
        super().__init__()
        self.colours = {
            band: [OKABE_ITO[colour], ink_on(OKABE_ITO[colour])] for band, colour in _BANDS.items()
        }
        self.payload, self.key = payload, key
        self.observe(self._refresh, ["payload", "key", "masking", "twice"])
        self._refresh()

    @traitlets.validate("key")
    def _four_octets(self, proposal: dict[str, Any]) -> bytes:
        key: bytes = proposal["value"]
        apply_mask(b"", key)  # it says what is wrong with a key
        return key

    # ------------------------------------------------------------------ what Python can do

    @property
    def masked(self) -> bytes:
        """The octets that go on the wire; with ``masking`` off they are the payload."""
        return apply_mask(self.payload, self.key) if self.masking else self.payload

    @property
    def again(self) -> bytes:
        """``masked``, masked a second time with the same key: what the receiver does."""
        return apply_mask(self.masked, self.key) if self.masking else self.masked

    @property
    def frame(self) -> Frame:
        """The frame that a client sends, a text if the payload is UTF-8."""
        opcode = Opcode.BINARY if _text_of(self.payload) is None else Opcode.TEXT
        return Frame(opcode, self.payload, mask_key=self.key if self.masking else None)

    @property
    def value(self) -> bytes:
        """The bytes of the whole frame, header and key included, as a FrameLab takes them."""
        frame = self.frame
        return build_frame(frame.payload, frame.opcode, frame.fin, frame.mask_key)

    @property
    def verdict(self) -> str:
        """What the key does, or what the decoder says to a frame without mask, in a sentence."""
        if not self.masking:
            return explain(self.value, kind="frame", sender="client").verdict
        bits = 8 * len(self.payload)
        if not bits:
            return "there is no payload: the four octets of the key go on the wire all the same"
        if not any(self.key):
            return "the key is all 0, so nothing turns over: the payload goes on the wire as it is"
        turned = (int.from_bytes(self.payload) ^ int.from_bytes(self.masked)).bit_count()
        return (
            f"{turned:,} of {bits:,} bits turn over: those where the key has a 1. "
            "The same key again turns them back"
        )

    def flip(self, bit: int) -> None:
        """Turn bit ``bit`` of the payload over; bit 0 is the highest of its first octet.

        Raises:
            IndexError: there is no such bit.
        """
        self.payload = _flipped(self.payload, bit, "payload")

    def flip_key(self, bit: int) -> None:
        """Turn bit ``bit`` of the key over, 0 to 31; every fourth octet on the wire changes.

        Raises:
            IndexError: there is no such bit.
        """
        self.key = _flipped(self.key, bit, "key")

    def fresh_key(self, source: Callable[[int], bytes] = os.urandom) -> bytes:
        """Take a key that nobody can predict, as a client must for each frame (§5.3); return it.

        Args:
            source: gives as many random octets as it is asked for.
        """
        self.key = source(4)
        return self.key

    def picture(self) -> draw.Picture:
        """Return the masking as a picture; without any, the frame as a client would send it."""
        if self.masking and self.payload:
            return draw.masking(self.payload, self.key)
        return draw.frame(self.value, sender="client")

    # ------------------------------------------------------------------ what the browser sees

    def _refresh(self, _: object = None) -> None:
        payload, masked, again = self.payload, self.masked, self.again
        text = _text_of(payload) if len(payload) <= _MOST_TYPED else None
        self.view = {
            "payload": list(payload[:_SHOWN]),
            "key": list(self.key),
            "wire": list(masked[:_SHOWN]),
            "again": list(again[:_SHOWN]),
            "total": len(payload),
            "text": text if text is not None and text.isprintable() else None,
            "hex": payload.hex(" ") if len(payload) <= _MOST_TYPED else "",
            "long": len(payload) > _MOST_TYPED,
            "masking": self.masking,
            "twice": self.twice,
            "state": "good" if self.masking else "wrong",
            "verdict": printable(self.verdict),
            "lines": [
                _line("payload", payload),
                _line("on the wire", masked),
                _line("masked again" if self.masking else "as received", again),
            ],
        }

    def _do(self, content: dict[str, Any]) -> None:
        match content:
            case {"type": "flip", "of": "payload", "bit": int(bit)}:
                self.flip(bit)
            case {"type": "flip", "of": "key", "bit": int(bit)}:
                self.flip_key(bit)
            case {"type": "payload", "text": str(text), "asHex": as_hex}:
                self._take(octets_of(text) if as_hex else text.encode())
            case {"type": "key", "octet": int(octet), "hex": str(digits)}:
                self.key = self.key[:octet] + octets_of(digits) + self.key[octet + 1 :]
            case {"type": "fresh"}:
                self.fresh_key()
            case {"type": "masking" | "twice" as name, "value": bool(value)}:
                setattr(self, name, value)

    def _take(self, payload: bytes) -> None:
        if len(payload) > _MOST_PAYLOAD:
            raise ValueError(
                f"the payload field takes {_MOST_PAYLOAD:,} bytes, not {len(payload):,}"
            )
        self.payload = payload

    def __repr__(self) -> str:
        shown = self.payload[:16].hex() + ("..." if len(self.payload) > 16 else "")
        off = "" if self.masking else ", not masked"
        return f"MaskLab({shown}, key={self.key.hex()}{off})"


def _flipped(octets: bytes, bit: int, what: str) -> bytes:
    bits = 8 * len(octets)
    if not 0 <= bit < bits:
        there = f"bits 0 to {bits - 1}" if bits else "no bits"
        raise IndexError(f"bit {bit}: the {what} has {there}")
    changed = bytearray(octets)
    changed[bit // 8] ^= 0x80 >> bit % 8
    return bytes(changed)


def _text_of(octets: bytes) -> str | None:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return None


def _line(name: str, octets: bytes) -> dict[str, str]:
    """One line of the table: octets as hex and as text, or as what they are instead."""
    dots = " …" if len(octets) > _LISTED else ""
    text = _text_of(octets)
    said = "not UTF-8" if text is None else repr(text[:_LISTED]) + dots
    return {"name": name, "hex": octets[:_LISTED].hex(" ") + dots, "text": said}
