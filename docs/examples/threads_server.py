"""An echo server on plain sockets, a thread for each connection: one endpoint carries it all.

    python threads_server.py 8765

The endpoint answers Ping and Close, joins fragments, checks UTF-8 and inflates; octets go in and
out. The same loop fits anything that can read and write, see ``trio_server.py``.
"""

import socket
import sys
from contextlib import suppress
from threading import Thread

from goim_edu.errors import HandshakeError
from goim_edu.protocol import (
    BinaryMessage,
    DeflateConfig,
    Endpoint,
    Event,
    RequestReceived,
    Side,
    TextMessage,
)


def answer(endpoint: Endpoint, event: Event) -> bytes:
    """What we say to an event; to most we say nothing."""
    match event:
        case RequestReceived():
            try:
                return endpoint.accept()
            except HandshakeError as error:
                return endpoint.reject(error)
        case TextMessage(text):
            return endpoint.send_text(text)
        case BinaryMessage(octets):
            return endpoint.send_binary(octets)
    return b""


def talk(link: socket.socket) -> None:
    """One connection, from its first octet to its last."""
    endpoint = Endpoint(Side.SERVER, compression=DeflateConfig())
    with link, suppress(ConnectionError):
        while not endpoint.close_transport:
            data = link.recv(65536)
            events = endpoint.receive_data(data) if data else endpoint.receive_eof()
            while events:
                for event in events:
                    link.sendall(answer(endpoint, event))
                events = endpoint.receive_data(b"")  # frames that came with the request
            link.sendall(endpoint.data_to_send())


def serve(port: int) -> None:
    """Until the process ends."""
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            Thread(target=talk, args=(server.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
