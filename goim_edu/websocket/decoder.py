"""Frames out of a stream of octets: pieces in, parts of frames out (RFC 6455 §5.2, §6.2)."""

from typing import NamedTuple

from goim_edu.errors import IncompleteFrame, RemoteProtocolError
from goim_edu.websocket.frames import (
    Frame,
    Header,
    Opcode,
    check_length,
    check_start,
    make_frame,
    parse_header,
)
from goim_edu.websocket.masking import mask_to_view
from goim_edu.websocket.octets import Octets, as_octets

__all__ = ["FrameDecoder", "Part"]


class Part(NamedTuple):
    """What one read has brought of one frame: often all of it.

    Args:
        header: the header of the frame.
        payload: the next octets of its payload, unmasked; many of them are a memoryview.
        first: whether these are the first octets of the payload.
        last: whether they complete the frame.
    """

    header: Header
    payload: bytes | memoryview
    first: bool
    last: bool


class FrameDecoder:
    r"""Frames out of a stream of octets, however the network has cut it.

    The octets of a data frame are handed on as they come, so a frame that goes wrong in its middle
    can be refused there. A control frame is handed on as a whole, and the octets of a header are
    kept until it is complete. So at most 131 octets wait in the decoder.

    Args:
        masked: whether frames must be: True on a server, False on a client, None accepts both.
        max_frame_size: the longest payload to take, in octets; None takes all.
        allow_rsv1: permessage-deflate was agreed on.

    Attributes:
        error: the rule that was broken, or None; after it nothing more is decoded.
        data: octets of which ``next_part`` has yet to read those ...
        position: ... from here on.

    >>> decoder = FrameDecoder(masked=False)
    >>> decoder.feed(b"\x81\x05Hel"), decoder.feed(b"lo" + b"\x89\x00")
    ([], [Frame(TEXT, b'Hello'), Frame(PING, b'')])
    """

    __slots__ = (
        "_header",
        "_key",
        "_pieces",
        "_remaining",
        "allow_rsv1",
        "data",
        "error",
        "masked",
        "max_frame_size",
        "position",
    )

    def __init__(
        self,
        *,
        masked: bool | None = None,
        max_frame_size: int | None = None,
        allow_rsv1: bool = False,
    ) -> None:
        self.masked = masked
        self.max_frame_size = max_frame_size
        self.allow_rsv1 = allow_rsv1
        self.error: RemoteProtocolError | None = None
        self.data = b""
        self.position = 0
        self._header: Header | None = None  # the data frame whose payload is still coming ...
        self._remaining = 0  # ... how much of it is still to come
        self._key: bytes | None = None  # ... and its key, rotated to where we are
        self._pieces: list[bytes | memoryview] = []  # of the payload, for feed()

    @property
    def at_header(self) -> bool:
        """Whether the next octet starts a frame."""
        return self._header is None

    @property
    def idle(self) -> bool:
        """Whether nothing is half received."""
        return self._header is None and self.position == len(self.data)

    def feed(self, data: Octets) -> list[Frame]:
        """Take the next octets, return the frames that they complete.

        Good frames before a bad one are returned first: then the error waits in ``error``, and
        the next call raises it. If there are none, it is raised at once.

        Raises:
            RemoteProtocolError: a rule is broken; the stream cannot be read any further.
        """
        frames = []
        self.push(data)
        try:
            while (part := self.next_part()) is not None:
                self._pieces.append(part.payload)
                if part.last:
                    frames.append(make_frame(part.header, b"".join(self._pieces)))
                    self._pieces.clear()
        except RemoteProtocolError:
            if not frames:
                raise
        return frames

    def push(self, data: Octets) -> None:
        """Take the next octets; ``next_part`` reads them."""
        if type(data) is not bytes:
            data = as_octets(data)
        self.data = self.data[self.position :] + data if self.data else data
        self.position = 0

    def next_part(self) -> Part | None:
        """The next part of a frame, or None if more octets have to come first.

        Raises:
            RemoteProtocolError: a rule is broken; every further call raises it again.
        """
        if self.error is not None:
            raise self.error
        try:
            if self.position < len(self.data):
                return self._read_part()
        except IncompleteFrame:
            pass
        except RemoteProtocolError as error:
            self.error = error
            self.data = b""
            raise
        self.data = self.data[self.position :]
        self.position = 0
        return None

    def _read_part(self) -> Part:
        header = self._header
        first = header is None
        if header is None:
            header = self._read_header()
            self.position += header.size
            self._remaining = header.length
            self._key = header.mask_key
        octets = self.data[self.position : self.position + self._remaining]
        self.position += len(octets)
        self._remaining -= len(octets)
        last = self._remaining == 0
        self._header = None if last else header
        if self._key is None:
            return Part(header, octets, first, last)
        payload = mask_to_view(octets, self._key)
        used = len(octets) % 4
        self._key = self._key[used:] + self._key[:used]
        return Part(header, payload, first, last)

    def _read_header(self) -> Header:
        data, position = self.data, self.position
        if len(data) - position >= 2:  # a wrong start stays wrong, whatever is still to come
            check_start(data[position], data[position + 1], self.masked, self.allow_rsv1)
        header = parse_header(data, position)
        check_length(header, self.max_frame_size)
        missing = position + header.size + header.length - len(data)
        if header.opcode >= Opcode.CLOSE and missing > 0:
            raise IncompleteFrame(
                "the control frame is cut", missing=missing, section="RFC 6455 §5.2"
            )
        return header
