"""Ask any server of this machine with raw bytes, and listen to what comes back."""

from __future__ import annotations

import socket
from typing import Final

from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.explain import explain_stream
from goim_edu.websocket.frames import Frame, Opcode, build_frame
from goim_edu.websocket.handshake import build_request, check_response, generate_key, parse_response

__all__ = ["HOST", "ask", "ask_http"]

HOST: Final = "127.0.0.1"

_PATIENCE: Final = 5.0  # seconds for an answer that must come
_QUIET: Final = 0.3  # seconds of silence where no answer needs to come
_PONG: Final = Frame(Opcode.PONG, b"asked by the lab")
_PING: Final = build_frame(_PONG.payload, Opcode.PING, mask_key=bytes(4))


def ask(port: int, data: bytes, path: str = "/echo", patience: float = _PATIENCE) -> list[Frame]:
    """Send raw bytes on a fresh connection and return the frames that come back.

    The handshake is done properly; what follows it is ``data``, right or wrong. Where an answer
    must come, it is awaited; an unfinished frame gets none, so after a moment of silence the list
    is empty.

    Args:
        port: where the server listens, on 127.0.0.1.
        data: what a client would send, masked.
        path: which of its handlers to ask.
        patience: seconds for an answer that must come.

    Raises:
        OSError: the server is not there, or does not answer in time.
        ProtocolError: its handshake or its frames are wrong.
    """
    with socket.create_connection((HOST, port), timeout=patience) as link:
        early = _shake_hands(link, port, path)
        explained = explain_stream(data, sender="client")
        if explained and explained[-1].cut:
            link.sendall(data)
            return _listen(link, early, _QUIET)
        # A Pong may overtake the answer to what came with its Ping, but not the answers to what
        # came before: so the second one says that all is there.
        return _listen(link, early, patience, data + _PING, _PING)


def ask_http(port: int, request: bytes) -> bytes:
    """Send a raw HTTP request on a fresh connection and return the answer as it came.

    Raises:
        OSError: the server is not there, or does not answer in time.
    """
    answer = b""
    with socket.create_connection((HOST, port), timeout=_PATIENCE) as link:
        link.sendall(request)
        while parse_response(answer) is None:
            piece = link.recv(65_536)
            if not piece:
                break
            answer += piece
    return answer


def _shake_hands(link: socket.socket, port: int, path: str) -> bytes:
    """Do a client's opening handshake; return what came behind the answer."""
    key = generate_key()
    link.sendall(build_request(f"{HOST}:{port}", path, key))
    head = b""
    while (answer := parse_response(head)) is None:
        piece = link.recv(65_536)
        if not piece:
            raise ConnectionError("the server ended the connection during the handshake")
        head += piece
    check_response(answer[0], key, (), ())
    return head[answer[1] :]


def _listen(link: socket.socket, early: bytes, patience: float, *questions: bytes) -> list[Frame]:
    """Send each question once the Pong to the one before is there; return all other frames.

    Without questions, listen until it has been silent for a moment.
    """
    decoder = FrameDecoder(expect_masked=False)
    frames = decoder.feed(early)
    link.settimeout(patience)
    try:
        for question in questions or (b"",):
            link.sendall(question)
            while not question or _PONG not in frames:
                piece = link.recv(65_536)
                if not piece:
                    return frames
                frames += decoder.feed(piece)
            frames.remove(_PONG)
    except ConnectionError:
        return frames  # it has hung up on us: what it said before is what counts
    except TimeoutError:
        if questions:
            raise
    return frames
