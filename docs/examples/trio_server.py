"""An echo server on trio: the endpoint of ``threads_server.py``, and another loop around it.

python trio_server.py 8765
"""

import sys
from contextlib import suppress
from functools import partial

import trio

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


async def talk(stream: trio.SocketStream) -> None:
    """One connection, from its first octet to its last."""
    endpoint = Endpoint(Side.SERVER, compression=DeflateConfig())
    async with stream:
        with suppress(trio.BrokenResourceError):
            while not endpoint.close_transport:
                data = await stream.receive_some()
                events = endpoint.receive_data(data) if data else endpoint.receive_eof()
                while events:
                    for event in events:
                        await stream.send_all(answer(endpoint, event))
                    events = endpoint.receive_data(b"")  # frames that came with the request
                await stream.send_all(endpoint.data_to_send())


if __name__ == "__main__":
    trio.run(partial(trio.serve_tcp, talk, int(sys.argv[1]), host="127.0.0.1"))
