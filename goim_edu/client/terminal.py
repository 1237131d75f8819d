"""The chat in a terminal: what is said scrolls by above, a line to write in stays below.

``Conversation`` knows the chat; here it is joined to ``connect`` and to the screen. A connection
that is lost comes back after a pause that grows, and each attempt is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.styles import Style

from goim_edu.chat.vocabulary import JSON, Request, VocabularyError
from goim_edu.client import Backoff, connect
from goim_edu.client.conversation import Conversation, Line
from goim_edu.errors import HandshakeError
from goim_edu.printable import CHAT_TEXT, printable
from goim_edu.transport import ConnectionClosed, WebSocket

__all__ = ["TerminalChat", "chat_uri", "run"]

TYPING_TOLD: Final = 2.0  # seconds between two times that we tell it
NO_HELLO: Final = 4401
HELP: Final = """\
/join ROOM     go into a room, or back to one
/leave         leave this room
/rooms         the rooms that you are in
/who           who is here
/history [N]   N earlier messages (default 20)
/quit          leave the chat, as does Ctrl-D
//TEXT         say /TEXT"""


# ---------------------------------------------------------------------- words


def chat_uri(text: str) -> str:
    """Return the address of the chat: ``text``, with ``/chat`` where it names no path.

    Raises:
        ValueError: it is no address of a WebSocket.

    >>> chat_uri("ws://127.0.0.1:8765")
    'ws://127.0.0.1:8765/chat'
    """
    parts = urlsplit(text)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError(f"{text!r} is no address such as ws://127.0.0.1:8765/chat")
    return urlunsplit(parts._replace(path=parts.path if parts.path.strip("/") else "/chat"))


# ---------------------------------------------------------------------- the terminal

_STYLE: Final = Style.from_dict(
    {
        "time": "#888888",
        "seq": "#888888",
        "note": "italic #888888",
        "trouble": "bold #d55e00",
        "own": "bold",
        "bottom-toolbar": "noreverse bg:#2b323b #e7eaee",
        "bottom-toolbar.good": "bg:#2b323b #4fc49d",
        "bottom-toolbar.away": "bg:#2b323b #f0b95e bold",
    }
)
_COLOURS: Final = (
    "ansicyan", "ansigreen", "ansimagenta", "ansiyellow", "ansiblue", "ansibrightgreen",
)  # fmt: skip


class _Leave(Exception):
    """The user has had enough."""


class TerminalChat:
    """The chat on a screen.

    Args:
        uri: of the chat, ``ws://host:port/chat``.
        conversation: who we are and where.
    """

    def __init__(self, uri: str, conversation: Conversation) -> None:
        self.uri = uri
        self.talk = conversation
        self.problem = ""  # why it had to end
        self._leaving = False
        self._ws: WebSocket | None = None
        self._status = "connecting"
        self._next_attempt = 0.0
        self._typed_at = 0.0
        self._lines: list[Line] = []
        self._wake = asyncio.Event()
        self._session: PromptSession[str] = PromptSession(
            style=_STYLE, bottom_toolbar=self._toolbar, refresh_interval=0.5, erase_when_done=True
        )
        self._session.default_buffer.on_text_changed += lambda _: self._on_typing()

    async def run(self) -> int:
        """Talk until the user leaves (returns 0) or the server refuses for good (1)."""
        with patch_stdout(raw=True), self._keys_stay_ours():
            reading = asyncio.create_task(self._read_lines())
            linking = asyncio.create_task(self._stay_connected())
            await asyncio.wait({reading, linking}, return_when=asyncio.FIRST_COMPLETED)
            self._leaving = True
            if self._ws is not None:
                await self._ws.close()
            for task in (reading, linking):
                task.cancel()
            results = await asyncio.gather(reading, linking, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, _Leave):
                raise result
        return 1 if self.problem else 0

    def _keys_stay_ours(self) -> contextlib.AbstractContextManager[None]:
        """Keep the terminal in raw mode all the time.

        The library hands it back for a moment whenever something is printed, and between two
        lines. What is typed just then would be echoed, and a Ctrl-D be taken for the end of the
        input; in a busy room that is often.
        """
        keys = self._session.app.input
        keys.cooked_mode = contextlib.nullcontext  # type: ignore[method-assign]
        return keys.raw_mode()

    # ------------------------------------------------------------------ the connection

    async def _stay_connected(self) -> None:
        backoff = Backoff()
        while True:
            began = monotonic()
            self._status = "connecting"
            why = await self._one_connection()
            self.talk.disconnected()
            if self.problem or self._leaving:
                return
            backoff.lived(monotonic() - began)
            pause = backoff.next() + self.talk.pause_hint
            self.talk.pause_hint = 0.0
            self._status, self._next_attempt = "not connected", monotonic() + pause
            self._show(Line("trouble", f"no connection: {why}; next attempt in {pause:.1f} s"))
            await asyncio.sleep(pause)

    async def _one_connection(self) -> str:
        """Connect, talk, and return why it ended."""
        try:
            async with connect(self.uri, subprotocols=(JSON.name,)) as ws:
                self._ws = ws
                return await self._converse(ws)
        except HandshakeError as error:
            if 400 <= error.status < 500:
                self.problem = f"the server refused the connection: {error}"
            return str(error)
        except ConnectionClosed as closed:
            return _end_words(closed.code, closed.reason)
        except ConnectionRefusedError:
            return "nobody listens there"
        except OSError as error:  # TimeoutError is one
            return error.strerror or str(error) or "the server does not answer"
        finally:
            self._ws = None

    async def _converse(self, ws: WebSocket) -> str:
        sending = asyncio.create_task(self._send_requests(ws))
        try:
            await ws.send(_text(self.talk.hello()))
            async for data in ws:
                self._take(data)
            return _end_words(ws.close_code or 1006, ws.close_reason)
        finally:
            if ws.close_code == NO_HELLO:
                self.problem = self.talk.refused or "the server does not accept this name or token"
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def _take(self, data: str | bytes) -> None:
        was_online = self.talk.online
        try:
            for line in self.talk.receive(JSON.decode_reply(data), monotonic()):
                self._show(line)
        except VocabularyError as error:
            self._show(Line("trouble", f"the server said what we do not understand: {error}"))
        if self.talk.online and not was_online:
            self._status = "connected"
            self._show(Line("note", f"connected to {self.uri} as {self.talk.user_id}"))
        self._wake.set()

    async def _send_requests(self, ws: WebSocket) -> None:
        """Send what the conversation asks for, in its order; and again what was put off."""
        talk = self.talk
        while True:
            while talk.requests:
                await ws.send(_text(talk.requests.popleft()))
            self._wake.clear()
            pause = None if talk.retry_at is None else max(0.0, talk.retry_at - monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            if talk.retry_at is not None and talk.retry_at <= monotonic():
                talk.retry()

    # ------------------------------------------------------------------ the keyboard

    async def _read_lines(self) -> None:
        while True:
            try:
                text = await self._session.prompt_async(self._prompt)
            except KeyboardInterrupt:
                if not self._session.default_buffer.text:
                    return
                continue
            except EOFError:
                return
            if text.strip():
                self._obey(text)
                self._wake.set()

    def _obey(self, text: str) -> None:
        if not text.startswith("/") or text.startswith("//"):
            self.talk.say(text.removeprefix("/") if text.startswith("//") else text)
            if not self.talk.online:
                self._show(Line("note", f"kept until there is a connection: {text}"))
            return
        word, _, rest = text[1:].partition(" ")
        command = self._commands().get(word)
        if command is None:
            self._show(Line("trouble", f"there is no command /{word}; /help names them"))
        else:
            command(rest.strip())

    def _commands(self) -> dict[str, Callable[[str], None]]:
        return {
            "help": lambda _: self._note(HELP),
            "join": self._join,
            "leave": lambda _: self._leave(),
            "rooms": lambda _: self._note("rooms: " + ", ".join(self.talk.rooms)),
            "who": lambda _: self._note("here: " + ", ".join(sorted(self._members()))),
            "history": self._earlier,
            "quit": lambda _: self._quit(),
        }

    def _join(self, room_id: str) -> None:
        if room_id:
            self.talk.join(room_id)
        else:
            self._note("/join needs the name of a room")

    def _leave(self) -> None:
        if not self.talk.leave():
            self._note("this is your only room; /quit leaves the chat")

    def _earlier(self, count: str) -> None:
        number = int(count) if count.isascii() and count.isdigit() else 20
        if not self.talk.ask_earlier(number):
            self._note("there is nothing earlier")

    def _quit(self) -> None:
        raise _Leave

    def _members(self) -> set[str]:
        return self.talk.rooms[self.talk.current].members

    def _on_typing(self) -> None:
        text = self._session.default_buffer.text
        if text and not text.startswith("/") and monotonic() - self._typed_at > TYPING_TOLD:
            self._typed_at = monotonic()
            self.talk.tell_typing()
            self._wake.set()

    # ------------------------------------------------------------------ the screen

    def _note(self, text: str) -> None:
        self._show(Line("note", text))

    def _show(self, line: Line) -> None:
        """Show a line; all lines of one turn of the loop are written at once."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write_lines)
        self._lines.append(line)

    def _write_lines(self) -> None:
        lines, self._lines = self._lines, []
        fragments: list[Any] = []
        for line in lines:
            fragments += [*self._fragments(line), ("", "\n")]
        print_formatted_text(FormattedText(fragments[:-1]), style=_STYLE)

    def _fragments(self, line: Line) -> list[tuple[str, str]]:
        text = printable(line.text, keep=CHAT_TEXT)
        if line.kind != "message":
            indented = text.replace("\n", "\n   ")
            return [(f"class:{line.kind}", f"-- {indented}")]
        own = line.user_id == self.talk.user_id
        name = printable(line.user_id)
        room = printable(line.room_id)
        colour = "class:own" if own else _COLOURS[sum(map(ord, line.user_id)) % len(_COLOURS)]
        where = "" if line.room_id == self.talk.current else f"[{room}] "
        time = line.at.astimezone().strftime("%H:%M") if line.at else ""
        return [
            ("class:time", f"{time} {where}"),
            (colour, f"{name}: "),
            ("", text.replace("\n", "\n      ")),
            ("class:seq", f"  #{line.seq}"),
        ]

    def _prompt(self) -> str:
        return f"{printable(self.talk.current)}> "

    def _toolbar(self) -> FormattedText:
        talk, now = self.talk, monotonic()
        good = self._status == "connected"
        parts = [self._status]
        if self._status == "not connected":
            parts[0] += f", next attempt in {max(0, round(self._next_attempt - now))} s"
        if good:
            parts.append("here: " + printable(", ".join(sorted(self._members()))))
        if self._ws is not None and self._ws.latency is not None:
            parts.append(f"{self._ws.latency * 1000:.1f} ms")
        if talk.outbox:
            parts.append(f"{len(talk.outbox)} not yet stored")
        writing = talk.typists(now)
        if writing:
            parts.append(printable(f"{', '.join(writing)} writing…"))
        state = "class:bottom-toolbar.good" if good else "class:bottom-toolbar.away"
        lamp = "●" if good else "○"
        return FormattedText([(state, f" {lamp} "), ("", "  ".join(parts) + "   /help")])


def _end_words(code: int, reason: str) -> str:
    """Why a connection ended, in words."""
    own = "the connection broke off" if code == 1006 else f"closed by the server with {code}"
    return f"{own} ({reason})" if reason else own


def _text(request: Request) -> str:
    return JSON.encode(request).decode()


# ---------------------------------------------------------------------- the command


def run(uri: str, user_id: str, room_id: str, token: str | None = None, history: int = 20) -> int:
    """Chat until the user leaves.

    Args:
        uri: of the chat, ``ws://host:port``, with or without ``/chat``.
        user_id: who we are.
        room_id: the room to go into first.
        token: for a server that wants one.
        history: messages of a room to show at first, 1 to 200.

    Returns:
        The exit code: 0 when the user left, 1 when the server refused for good.

    Raises:
        ValueError: ``uri`` is no address.
        RuntimeError: there is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise RuntimeError("the chat needs a terminal")
    return asyncio.run(_run(chat_uri(uri), Conversation(user_id, room_id, token, history)))


async def _run(uri: str, talk: Conversation) -> int:
    chat = TerminalChat(uri, talk)
    code = await chat.run()
    if chat.problem:
        print(f"goim_edu: {printable(chat.problem)}", file=sys.stderr)
    if talk.outbox:
        print(f"{len(talk.outbox)} of your messages were not stored", file=sys.stderr)
    return code
