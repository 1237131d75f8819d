"""What ``explain`` returns: the fields of a frame or a handshake, and the verdict on it."""

from typing import Final, Literal, NamedTuple

from goim_edu.errors import HandshakeError, IncompleteFrame, RemoteProtocolError

__all__ = ["Explanation", "Field", "Kind", "Sender", "Value", "octets_field"]

Kind = Literal["frame", "request", "response"]
Sender = Literal["client", "server"]
Value = bool | int | str | bytes | None

_MAX_SHOWN: Final = 32  # octets that stand in a table


class Field(NamedTuple):
    """One field of a frame or a handshake, or of any octets that have named places.

    Args:
        name: as in the diagram of RFC 6455 §5.2, or the name of the header field.
        start_bit: where it starts; bit 0 is the highest bit of the first octet.
        bit_length: how many of its bits have come.
        raw: these bits as 0 and 1, octets of a frame as hex, lines as text; long ones cut.
        value: what they stand for: a flag, a number, text or octets; None if the field is cut.
        meaning: one sentence for people.
        section: where the field is defined.
    """

    name: str
    start_bit: int
    bit_length: int
    raw: str = ""
    value: Value = None
    meaning: str = ""
    section: str = ""

    @property
    def bits(self) -> str:
        """The places of its bits, the first and the last.

        >>> Field("opcode", 4, 4, "0001", 1, "text", "RFC 6455 §5.2").bits
        '4-7'
        """
        last = self.start_bit + self.bit_length - 1
        return str(last) if self.bit_length == 1 else f"{self.start_bit}-{last}"


class Explanation:
    """One frame or one handshake, field by field, and the verdict of the real decoder.

    Args:
        kind: "frame", "request" or "response".
        data: its octets, as far as they have come.
        fields: in the order of their bits.
        error: the decoder's error: None if all is well, ``IncompleteFrame`` if it is cut.
        culprit: the name of the field that is wrong, or None.
        message: the message that a data frame completes, inflated and as text if it is one.
    """

    __slots__ = ("culprit", "data", "error", "fields", "kind", "message")

    def __init__(
        self,
        kind: Kind,
        data: bytes,
        fields: tuple[Field, ...],
        error: RemoteProtocolError | None = None,
        culprit: str | None = None,
        message: str | bytes | None = None,
    ) -> None:
        self.kind: Kind = kind
        self.data = data
        self.fields = fields
        self.error = error
        self.culprit = culprit
        self.message = message

    def __repr__(self) -> str:
        return f"<Explanation: {self.verdict}>"

    @property
    def ok(self) -> bool:
        """Whether it is whole and breaks no rule."""
        return self.error is None

    @property
    def cut(self) -> bool:
        """Whether it is good as far as it goes, but not whole."""
        return isinstance(self.error, IncompleteFrame)

    @property
    def verdict(self) -> str:
        """The decoder's verdict in a sentence.

        >>> from goim_edu.websocket.explain import explain
        >>> explain(bytes.fromhex("81 05 48 65")).verdict
        'cut: at least 3 more octets are needed'
        >>> explain(bytes.fromhex("83 00")).verdict
        'fails the connection with 1002: opcode 3 is reserved (RFC 6455 §5.2)'
        """
        error = self.error
        if error is None:
            return f"a good {self.kind}"
        if isinstance(error, IncompleteFrame):
            octets = "octet is" if error.missing == 1 else "octets are"
            return f"cut: at least {error.missing:,} more {octets} needed"
        if isinstance(error, HandshakeError):
            answer = f"is answered with {error.status}" if self.kind == "request" else "is refused"
            return f"{answer}: {error}"
        return f"fails the connection with {error.close_code}: {error}"

    def __getitem__(self, name: str) -> Field:
        """The first field of this name, in upper or lower case.

        Raises:
            KeyError: there is none.

        >>> from goim_edu.websocket.explain import explain
        >>> explain(bytes.fromhex("8a 00"))["opcode"].meaning
        'Pong: the answer to a Ping, or a sign of life'
        """
        for field in self.fields:
            if field.name.lower() == name.lower():
                return field
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(field.name.lower() == str(name).lower() for field in self.fields)

    def __str__(self) -> str:
        rows = [("bits", "name", "raw", "meaning")]
        rows += [(f.bits, f.name, f.raw, f"{f.meaning} [{f.section}]") for f in self.fields]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [
            "  ".join(
                [*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]
            )
            for row in rows
        ]
        return "\n".join([*lines, f"verdict: {self.verdict}"])


def octets_field(
    name: str, data: bytes, start: int, end: int, value: Value, meaning: str, section: str
) -> Field:
    r"""A field of whole octets, of which the last ones may be missing.

    Args:
        name: as in the diagram of RFC 6455 §5.2.
        data: the octets of the frame, as far as they have come.
        start: the first octet of the field.
        end: the octet behind it.
        value: what it stands for.
        meaning: one sentence for people.
        section: where it is defined.

    >>> octets_field("Extended payload length", b"\x82\x7e\x01", 2, 4, 256, "", "").meaning
    'cut: 1 of 2 octets are here'
    """
    there = data[start:end]
    if len(there) < end - start:
        meaning = f"cut: {len(there)} of {end - start} octets are here"
        value = None
    raw = there[:_MAX_SHOWN].hex(" ") + (" ..." if len(there) > _MAX_SHOWN else "")
    return Field(name, 8 * start, 8 * len(there), raw, value, meaning, section)
