"""The server of ``docs/examples/trio_server.py`` on ``wsproto``."""

import sys
from contextlib import suppress
from functools import partial

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import RemoteProtocolError


class Talk:
    """Fragments are joined here, and answers made."""

    def __init__(self) -> None:
        self.ws = WSConnection(ConnectionType.SERVER)
        self.text = ""
        self.octets = b""

    def answer(self, event: Event) -> bytes:
        """What we say to an event; to most we say nothing."""
        match event:
            case Request():
                return self.ws.send(AcceptConnection(extensions=[PerMessageDeflate()]))
            case TextMessage():
                self.text += event.data
                if event.message_finished:
                    text, self.text = self.text, ""
                    return self.ws.send(TextMessage(data=text))
            case BytesMessage():
                self.octets += event.data
                if event.message_finished:
                    octets, self.octets = self.octets, b""
                    return self.ws.send(BytesMessage(data=octets))
            case Ping() | CloseConnection():
                if self.ws.state is not ConnectionState.CLOSED:
                    return self.ws.send(event.response())
        return b""

    def receive(self, data: bytes) -> bytes:
        """All that we say to octets that came."""
        try:
            self.ws.receive_data(data or None)
        except RemoteProtocolError as error:
            return self.ws.send(error.event_hint) if error.event_hint else b""
        return b"".join(self.answer(event) for event in self.ws.events())


async def talk(stream: trio.SocketStream) -> None:
    """One connection, from its first octet to its last."""
    state = Talk()
    async with stream:
        with suppress(trio.BrokenResourceError):
            while state.ws.state is not ConnectionState.CLOSED:
                data = await stream.receive_some()
                await stream.send_all(state.receive(data))


if __name__ == "__main__":
    trio.run(partial(trio.serve_tcp, talk, int(sys.argv[1]), host="127.0.0.1"))
