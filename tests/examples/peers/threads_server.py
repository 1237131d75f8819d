"""The server of ``docs/examples/threads_server.py`` on ``wsproto``."""

import socket
import sys
from contextlib import suppress
from threading import Thread

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


def talk(link: socket.socket) -> None:
    """One connection, from its first octet to its last."""
    state = Talk()
    with link, suppress(ConnectionError):
        while state.ws.state is not ConnectionState.CLOSED:
            data = link.recv(65536)
            link.sendall(state.receive(data))


def serve(port: int) -> None:
    """Until the process ends."""
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            Thread(target=talk, args=(server.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
