"""Messages of a recording: fragments put together and inflated, however much of them is there."""

from __future__ import annotations

from typing import Final

from goim_edu.errors import RemoteProtocolError
from goim_edu.websocket.assembler import MessageAssembler
from goim_edu.websocket.decoder import Part
from goim_edu.websocket.deflate import DeflateParams, PerMessageDeflate
from goim_edu.websocket.frames import Header, Opcode

__all__ = ["MOST_OCTETS", "Messages"]

MOST_OCTETS: Final = 1 << 24  # of a frame and of a message, inflated, that are kept
_MOST_FRAGMENTS: Final = 1 << 20
_TOO_MUCH: Final = (1008, 1009)  # our bounds, not the sender's fault


class Messages:
    """Puts the fragments of one direction together, and goes on behind what is broken or missing.

    Args:
        client: whether they are the client's.
        compression: what was agreed on; ``None``: no compression.
        complete: whether the stream is there from its start. If not, a message may refer back to
            octets that nobody has, and a first fragment may be missing; that breaks no rule.
    """

    def __init__(self, *, client: bool, compression: DeflateParams | None, complete: bool = True):
        self._client = client
        self._params = compression
        self._complete = complete
        self._broken = not complete  # the message that is under way cannot be put together
        self._compressed = False  # whether it was sent so
        self._inflater = self._new_inflater()
        self._assembler = self._new_assembler()

    def _new_inflater(self) -> PerMessageDeflate | None:
        return PerMessageDeflate(self._params, self._client) if self._params else None

    def _new_assembler(self) -> MessageAssembler:
        return MessageAssembler(
            max_message_size=MOST_OCTETS, max_fragments=_MOST_FRAGMENTS, deflate=self._inflater
        )

    def add(
        self, header: Header, payload: bytes
    ) -> tuple[str | bytes | None, RemoteProtocolError | None, str]:
        """Take a data frame; return the message that it completes, the error, and a note."""
        error = None
        if header.opcode != Opcode.CONTINUATION:
            if self._assembler.opcode != Opcode.CONTINUATION:
                error = RemoteProtocolError(
                    "a new message before the last one was complete", section="RFC 6455 §5.4"
                )
                self._begin_anew(lost=self._compressed)
            self._broken, self._compressed = False, header.rsv1
        elif self._broken:
            self._broken = not header.fin
            return None, None, "its message is not complete in the recording"
        try:
            done = self._assembler.add(Part(header, payload, first=True, last=True))
        except RemoteProtocolError as wrong:
            return None, *self._give_up(header, wrong)
        return None if done is None else done.data, error, ""

    def _give_up(
        self, header: Header, wrong: RemoteProtocolError
    ) -> tuple[RemoteProtocolError | None, str]:
        """The message cannot be put together: say why, and begin anew with the next one."""
        damaged = "RFC 7692" in wrong.section
        excess = wrong.close_code in _TOO_MUCH
        incomplete = not self._complete
        self._begin_anew(lost=self._compressed and (damaged or excess or not header.fin))
        self._broken = not header.fin
        if excess:
            return None, f"its message is not put together: {wrong.message}"
        if damaged and incomplete:
            return None, "it cannot be inflated: it refers back to what is not in the recording"
        return wrong, ""

    def spoil(self, header: Header) -> None:
        """Note that this data frame is broken or not all there, and with it its message."""
        self._begin_anew(lost=header.rsv1 or self._compressed)
        self._broken = not header.fin

    def forget(self) -> None:
        """Note that frames are missing here."""
        self._begin_anew(lost=True)
        self._broken = True

    def _begin_anew(self, *, lost: bool) -> None:
        """Leave the message under way.

        Args:
            lost: whether the next one may refer back to octets that were not inflated.
        """
        if lost and self._inflater is not None:
            if not self._inflater.remote_no_context_takeover:
                self._complete = False
            self._inflater = self._new_inflater()
        self._assembler = self._new_assembler()
