"""A chat inside the notebook: one column a user, each with a real WebSocket out of the browser."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Protocol
from uuid import uuid4

import anywidget
import traitlets

from goim_edu.printable import printable_name
from goim_edu.runtime import platform
from goim_edu.widgets.base import script, style
from goim_edu.widgets.tunnel import Tunnel

__all__ = ["ChatPanel"]


class HasUrl(Protocol):
    """A running server: all that the panel needs is where to connect to."""

    @property
    def url(self) -> str:
        """The address of its chat, such as ``ws://127.0.0.1:8765/chat``."""
        ...


class ChatPanel(anywidget.AnyWidget):
    """A chat panel whose JavaScript, in your browser, talks to a live server.

    Nothing of the chat passes through Jupyter: each column opens a WebSocket of its own from the
    browser to ``server.url``, so what the server captures are the bytes of a real browser. Only
    where Python itself runs in the browser there is no such way: there a client beside the server
    speaks for each column, and the bytes are that client's.

    Args:
        server: a running server, or the address of its chat. The key of a ``LiveServer`` goes to
            the browser, which is let in with it.
        users: the names of those who sit at this panel, side by side.
        room: the room that all of them join.

    It may be shown in several cells; ``room``, ``users`` and ``url`` may be set later.

    What was said is grey until the server's ``ack`` has told its number. After a reconnect, or when
    the server was ``unavailable``, it is sent again under the same id, so it is stored once.

    Attributes:
        messages: what the columns have shown so far, one ``{"user_id", "text", "seq"}`` each.
        connected: names of the users whose WebSocket is open now.
        tunnelled: whether a client in the kernel speaks for the columns.

    >>> ChatPanel("ws://127.0.0.1:8765/chat", users=["ada", "lin"])
    ChatPanel(users=['ada', 'lin'], room='lobby')
    """

    _esm = script("chat_panel")
    _css = style("chat_panel")

    url = traitlets.Unicode().tag(sync=True)
    users = traitlets.List(traitlets.Unicode()).tag(sync=True)
    room = traitlets.Unicode().tag(sync=True)
    key = traitlets.Unicode().tag(sync=True)
    tunnelled = traitlets.Bool(False).tag(sync=True)
    messages = traitlets.List(traitlets.Dict())
    connected = traitlets.List(traitlets.Unicode())

    def __init__(
        self, server: HasUrl | str, users: Sequence[str] = ("you",), room: str = "lobby"
    ) -> None:
        if not users or len(set(users)) != len(users):
            raise ValueError(f"users must be one or more different names, not {list(users)}")
        super().__init__(
            url=server if isinstance(server, str) else server.url,
            key=getattr(server, "key", ""),
            users=list(users),
            room=room,
            tunnelled=not platform().sockets,
        )
        self._tunnel = Tunnel(lambda: str(self.url), self.send)
        self.on_msg(self._receive)

    def say(self, text: str, user: str | None = None) -> None:
        """Let the browser send ``text`` as ``user`` (default: the first), as if it was typed there.

        Raises:
            ValueError: nobody of that name sits at this panel.
        """
        user = self.users[0] if user is None else user
        if user not in self.users:
            raise ValueError(f"{user!r} does not sit here, only {', '.join(self.users)}")
        # Two windows may show this panel, and both are asked: one id makes it one message.
        self.send({"type": "say", "user": user, "text": text, "id": f"{user}-{uuid4().hex}"})

    def _receive(self, _: object, content: dict[str, Any], __: object) -> None:
        """Take down what the browser tells of itself."""
        match content:
            case {"type": "connected", "value": list(users)}:
                self.connected = users
            case {"type": "messages", "value": list(messages)}:
                self.messages = messages
            case dict():
                self._tunnel.receive(content)

    def close(self) -> None:
        """End the panel, and what a tunnel carries for it."""
        if hasattr(self, "_tunnel"):  # ipywidgets calls this as the object goes
            self._tunnel.close()
        super().close()

    def __repr__(self) -> str:
        return f"ChatPanel(users={self.users!r}, room={self.room!r})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**data, "text/html": self._stand_in()}, metadata

    def _stand_in(self) -> str:
        """What is shown where no kernel runs: the page on the web, the notebook as saved."""
        users = [printable_name(user) for user in self.users]
        columns = "".join(
            '<div style="flex:1;border:1px solid currentColor;border-radius:6px;padding:8px 10px;'
            f'min-width:12em"><b>{escape(user)}</b><br>'
            f"<small>room {escape(printable_name(self.room))}</small></div>"
            for user in users
        )
        return (
            '<figure style="margin:0" role="img" aria-label="A chat panel for '
            f'{escape(", ".join(users))}; it works while the notebook runs.">'
            f'<div style="display:flex;gap:10px;flex-wrap:wrap;opacity:.75">{columns}</div>'
            "<figcaption><small>The chat panel appears here when you run this cell.</small>"
            "</figcaption></figure>"
        )
