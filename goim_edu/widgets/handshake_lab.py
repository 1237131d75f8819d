"""HandshakeLab: a request to edit, what each line is for, and what the live server answers."""

from __future__ import annotations

from typing import Any, Final, Protocol

import traitlets

from goim_edu import draw
from goim_edu.printable import printable
from goim_edu.websocket.explain import Explanation, explain
from goim_edu.widgets.base import Lab, script, style

__all__ = ["HandshakeLab"]

_MOST: Final = 1 << 16  # bytes of a request

_GOOD: Final = """\
GET /chat HTTP/1.1
Host: 127.0.0.1
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Version: 13
Sec-WebSocket-Protocol: goim.v1.json
"""


def _without(name: str) -> str:
    return "".join(line for line in _GOOD.splitlines(True) if not line.startswith(name))


PRESETS: Final[dict[str, str]] = {
    "a good one": _GOOD,
    "without Host": _without("Host"),
    "two Hosts": _GOOD + "Host: other.example\n",
    "without Upgrade": _without("Upgrade"),
    "Connection: close": _GOOD.replace("Connection: Upgrade", "Connection: close"),
    "without a key": _without("Sec-WebSocket-Key"),
    "a key of 5 bytes": _GOOD.replace("dGhlIHNhbXBsZSBub25jZQ==", "SGVsbG8="),
    "version 8": _GOOD.replace("Version: 13", "Version: 8"),
    "POST": _GOOD.replace("GET", "POST"),
    "HTTP/1.0": _GOOD.replace("HTTP/1.1", "HTTP/1.0"),
    "a subprotocol that nobody speaks": _GOOD.replace("goim.v1.json", "morse"),
    "without a subprotocol": _without("Sec-WebSocket-Protocol"),
    "a page of a stranger": _GOOD + "Origin: https://evil.example\n",
    "a path that is not there": _GOOD.replace("/chat", "/nowhere"),
    "a line without colon": _GOOD + "hello there\n",
}
"""Requests to start from, by name; the first is what a browser sends, in short."""


class Answering(Protocol):
    """A live server that can be asked with a raw request."""

    def ask_http(self, request: bytes) -> bytes:
        """Send ``request`` on a fresh connection and return the answer as it came."""
        ...


class HandshakeLab(Lab):
    """Edit the lines of a WebSocket request and see what the real server answers, and why.

    Args:
        server: a live server to ask; without one only our own check speaks.

    Attributes:
        text: the request, a line for each header field; to read, to set and to observe.
        answer: the head of the server's last answer as text, ``""`` before there is one.

    >>> lab = HandshakeLab()
    >>> lab.load("version 8")
    >>> lab.verdict.split(":")[0]
    'is answered with 426'
    """

    _esm = script("handshake_lab")
    _css = style("handshake_lab")

    presets = tuple(PRESETS)

    text = traitlets.Unicode(_GOOD)
    answer = traitlets.Unicode("")
    menu = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, server: Answering | None = None) -> None:
        super().__init__()
        self._server = server
        self.menu = list(PRESETS)
        self.observe(self._refresh, ["text"])
        self._refresh()

    @property
    def value(self) -> bytes:
        """The request as it goes over the wire: CR LF ends a line, an empty line ends the head."""
        lines = self.text.rstrip("\n").split("\n")
        return "\r\n".join([*lines, "", ""]).encode()

    @property
    def explanation(self) -> Explanation:
        """What ``explain`` says about the request now."""
        return explain(self.value, kind="request")

    @property
    def verdict(self) -> str:
        """The verdict of our own check, RFC 6455 §4.2.1, in a sentence."""
        return self.explanation.verdict

    def load(self, name: str) -> None:
        """Start from the request called ``name``.

        Raises:
            KeyError: no preset is called so.
        """
        self.text = PRESETS[name]

    def send_request(self) -> int:
        """Send the request to the live server and return the status of its answer.

        Raises:
            RuntimeError: this lab was made without a server.
            OSError: the server does not answer.
        """
        if self._server is None:
            raise RuntimeError("no server: make it with HandshakeLab(live)")
        head = self._server.ask_http(self.value).partition(b"\r\n\r\n")
        lines = [*head[0].decode("latin-1").split("\r\n"), *head[2].decode().split("\n")]
        self.answer = "\n".join(printable(line) for line in lines).strip()
        self._refresh()
        return int(head[0].split(b" ", 2)[1])

    def picture(self) -> draw.Picture:
        """Return the request as a picture, as in print."""
        return draw.handshake(self.value)

    def _refresh(self, change: dict[str, Any] | None = None) -> None:
        if change is not None:
            self.answer = ""
        explained = self.explanation
        fields = [
            {
                "name": field.name,
                "value": printable(str(field.value))[:80],
                "meaning": printable(field.meaning),
                "section": field.section,
                "wrong": field.name == explained.culprit,
            }
            for field in explained.fields
            if field.name != "end of head"
        ]
        self.view = {
            "text": self.text,
            "fields": fields,
            "state": "good" if explained.ok else "wrong",
            "verdict": explained.verdict,
            "answer": self.answer,
            "canSend": self._server is not None,
        }

    def _do(self, content: dict[str, Any]) -> None:
        match content:
            case {"type": "text", "text": str(text)} if len(text) <= _MOST:
                self.text = text
            case {"type": "load", "name": str(name)} if name in PRESETS:
                self.load(name)
            case {"type": "send"}:
                self.send_request()

    def __repr__(self) -> str:
        return f"HandshakeLab({self.text.partition(chr(10))[0]!r})"
