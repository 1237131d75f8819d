"""The chat in a terminal: messages scroll by above, a line to write in stays below.

``Conversation`` knows the chat; this module joins it to ``connect`` and to the screen. After a lost
connection it connects again, after a pause that grows, and shows each attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Literal
from urllib.parse import urlsplit, urlunsplit

from goim_edu.chat.vocabulary import (
    JSON,
    MAX_MEMBERS,
    ChatMessage,
    Hello,
    VocabularyError,
)
from goim_edu.client.chat import converse
from goim_edu.client.connect import Backoff, connect
from goim_edu.client.conversation import Conversation
from goim_edu.client.events import Note, Outcome, RefusedRequest, listed
from goim_edu.client.names import clipped, company
from goim_edu.client.retry import asked_pause, is_passing, reason_of
from goim_edu.errors import HandshakeError, needs_extra
from goim_edu.printable import printable, printable_message, printable_name
from goim_edu.transport import ConnectionClosed, WebSocket
from goim_edu.websocket.uri import parse_uri, without_secrets

with needs_extra("terminal"):
    from prompt_toolkit import PromptSession, print_formatted_text
    from prompt_toolkit.formatted_text import FormattedText
    from prompt_toolkit.patch_stdout import patch_stdout
    from prompt_toolkit.styles import Style

__all__ = ["TerminalChat", "chat_uri", "run"]

TYPING_TOLD: Final = 3.5  # seconds from one ``typing`` to the next
NO_HELLO: Final = 4401
HELP: Final = """\
/join ROOM     go into a room, or back to one
/leave         leave this room
/rooms         list the rooms that you are in
/who           list the people in this room
/history [N]   show N earlier messages (default 20)
/quit          leave the chat, as does Ctrl-D
//TEXT         say /TEXT"""


# ---------------------------------------------------------------------- words


def chat_uri(text: str) -> str:
    """Return the address of the chat: ``text``, with ``/chat`` where it names no path.

    Raises:
        ValueError: it is not the address of a WebSocket.

    >>> chat_uri("ws://127.0.0.1:8765")
    'ws://127.0.0.1:8765/chat'
    """
    parse_uri(text)
    parts = urlsplit(text)
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
    """The user wants to leave."""


class TerminalChat:
    """The chat on a screen.

    Args:
        uri: of the chat, ``ws://host:port/chat``.
        conversation: our name and our rooms.

    Attributes:
        problem: why the chat cannot go on; empty if it can.
    """

    def __init__(self, uri: str, conversation: Conversation) -> None:
        self.uri = uri
        self.talk = conversation
        self.problem = ""
        self._leaving = False
        self._ws: WebSocket | None = None
        self._status = "connecting"
        self._next_attempt = 0.0
        self._typed_at = 0.0
        self._lines: list[list[tuple[str, str]]] = []
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
            try:
                await asyncio.wait({reading, linking}, return_when=asyncio.FIRST_COMPLETED)
                self._leaving = True
                if self._ws is not None:
                    await self._ws.close()
            finally:
                for task in (reading, linking):
                    task.cancel()
            results = await asyncio.gather(reading, linking, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, _Leave):
                raise result
        return 1 if self.problem else 0

    def _keys_stay_ours(self) -> contextlib.AbstractContextManager[None]:
        """Keep the terminal in raw mode all the time.

        The library leaves raw mode for a moment whenever it prints, and between two lines. Keys
        pressed in that moment would be echoed, and Ctrl-D would end the input; in a busy room that
        happens often.
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
            if self.problem or self._leaving:
                return
            backoff.lived(monotonic() - began)
            pause = backoff.next(self.talk.pause_hint)
            self.talk.pause_hint = 0.0
            self._status, self._next_attempt = "not connected", monotonic() + pause
            self._trouble(f"no connection: {why}; next attempt in {pause:.1f} s")
            await asyncio.sleep(pause)

    async def _one_connection(self) -> str:
        """Connect, talk, and return why it ended."""
        try:
            async with connect(self.uri, subprotocols=(JSON.name,)) as ws:
                self._ws = ws
                await converse(ws, self.talk, self._wake, self._take)
                return _end_words(ws.close_code or 1006, ws.close_reason)
        except ConnectionClosed as closed:
            return _end_words(closed.code, closed.reason)
        except ConnectionRefusedError:
            return "nothing listens there"
        except (HandshakeError, OSError) as error:  # TimeoutError is one
            if not is_passing(error):
                self.problem = f"the server refused the connection: {error}"
            self.talk.pause_hint = max(self.talk.pause_hint, asked_pause(error))
            return reason_of(error)
        finally:
            if self._ws is not None and self._ws.close_code == NO_HELLO and not self.problem:
                self.problem = "the server does not accept this name or token"
            self._ws = None

    def _take(self, data: str | bytes) -> None:
        was_online = self.talk.online
        try:
            for event in self.talk.receive(JSON.decode_reply(data), monotonic()):
                self._show(event)
        except VocabularyError as error:
            self._trouble(f"the server sent something that we do not understand: {error}")
        if self.talk.online and not was_online:
            self._status = "connected"
            self._note(f"connected to {without_secrets(self.uri)} as {self.talk.user_id}")

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
            self._say(text.removeprefix("/") if text.startswith("//") else text)
            return
        word, _, rest = text[1:].partition(" ")
        command = self._commands().get(word)
        if command is None:
            self._trouble(f"there is no command /{word}; /help lists them")
        else:
            command(rest.strip())

    def _say(self, text: str) -> None:
        try:
            self.talk.say(text)
        except ValueError as error:
            self._trouble(f"not sent ({error})")
            return
        if not self.talk.online:
            self._note(f"kept until there is a connection: {text}")

    def _commands(self) -> dict[str, Callable[[str], None]]:
        return {
            "help": lambda _: self._note(HELP),
            "join": self._join,
            "leave": lambda _: self._leave(),
            "rooms": lambda _: self._list_rooms(),
            "who": lambda _: self._note(self._here(most=MAX_MEMBERS)),
            "history": self._earlier,
            "quit": lambda _: self._quit(),
        }

    def _join(self, room_id: str) -> None:
        if not room_id:
            self._note("/join needs the name of a room")
            return
        try:
            self.talk.join(room_id)
        except ValueError as error:
            self._trouble(f"this cannot be the name of a room: {error}")

    def _leave(self) -> None:
        if not self.talk.leave():
            self._note("this is your only room; /quit leaves the chat")

    def _earlier(self, count: str) -> None:
        number = int(count) if count.isascii() and count.isdigit() else 20
        if not self.talk.ask_earlier(number):
            self._note("there is nothing earlier")

    def _quit(self) -> None:
        raise _Leave

    def _list_rooms(self) -> None:
        self._note("rooms: " + ", ".join(map(printable_name, self.talk.rooms)))

    def _here(self, most: int = 5) -> str:
        room = self.talk.rooms[self.talk.current]
        return "here: " + listed(room.members, room.member_count, most)

    def _on_typing(self) -> None:
        text = self._session.default_buffer.text
        if text and not text.startswith("/") and monotonic() - self._typed_at > TYPING_TOLD:
            self._typed_at = monotonic()
            self.talk.tell_typing()
            self._wake.set()

    # ------------------------------------------------------------------ the screen

    def _note(self, text: str) -> None:
        self._write(self._remark("note", text))

    def _trouble(self, text: str) -> None:
        self._write(self._remark("trouble", text))

    def _show(self, event: Outcome) -> None:
        match event:
            case ChatMessage():
                self._write(self._message(event))
            case Note():
                self._note(event.text)
            case RefusedRequest(error=error, request=Hello()):
                self.problem = error.reason  # the server closes the connection
            case RefusedRequest():
                self._trouble(event.text)

    def _write(self, line: list[tuple[str, str]]) -> None:
        """Write a line; all lines of one turn of the loop are written at once."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write_lines)
        self._lines.append(line)

    def _write_lines(self) -> None:
        lines, self._lines = self._lines, []
        fragments: list[Any] = []
        for line in lines:
            fragments += [*line, ("", "\n")]
        print_formatted_text(FormattedText(fragments[:-1]), style=_STYLE)

    def _remark(self, kind: Literal["note", "trouble"], text: str) -> list[tuple[str, str]]:
        indented = printable_message(text).replace("\n", "\n   ")
        return [(f"class:{kind}", f"-- {indented}")]

    def _message(self, message: ChatMessage) -> list[tuple[str, str]]:
        own, here = message.user_id == self.talk.user_id, message.room_id == self.talk.current
        colour = "class:own" if own else _COLOURS[sum(map(ord, message.user_id)) % len(_COLOURS)]
        where = "" if here else f"[{printable_name(message.room_id)}] "
        text = printable_message(message.text).replace("\n", "\n      ")
        return [
            ("class:time", f"{message.created_at.astimezone():%H:%M} {where}"),
            (colour, f"{printable_name(message.user_id)}: "),
            ("", text),
            ("class:seq", f"  #{message.seq}"),
        ]

    def _prompt(self) -> str:
        return f"{clipped(printable_name(self.talk.current), self._columns() // 3)}> "

    def _columns(self) -> int:
        return self._session.app.output.get_size().columns

    def _toolbar(self) -> FormattedText:
        """One line, however many are here and whatever they are called."""
        talk, now, room = self.talk, monotonic(), self._columns() - len(" ● ")
        good = self._status == "connected"
        parts = [self._status]
        if self._status == "not connected":
            parts[0] += f", next attempt in {max(0, round(self._next_attempt - now))} s"
        if self._ws is not None and self._ws.latency is not None:
            parts.append(f"{self._ws.latency * 1000:.1f} ms")
        if talk.outbox:
            parts.append(f"{len(talk.outbox)} not yet stored")
        if writing := talk.typists(now):
            parts.append(f"{company(writing, len(writing), room // 4)} writing…")
        if good:
            here = talk.rooms[talk.current]
            left = room - len("  ".join([*parts, "here: ", "   /help"]))
            names = company(sorted(here.members), here.member_count, max(1, left))
            parts.insert(1, f"here: {names}")
        state = "class:bottom-toolbar.good" if good else "class:bottom-toolbar.away"
        text = clipped("  ".join(parts) + "   /help", max(1, room))
        return FormattedText([(state, " ● " if good else " ○ "), ("", text)])


def _end_words(code: int, reason: str) -> str:
    """Say why a connection ended."""
    own = "the connection broke off" if code == 1006 else f"the server closed it with {code}"
    return f"{own} ({reason})" if reason else own


# ---------------------------------------------------------------------- the command


def run(uri: str, user_id: str, room_id: str, token: str | None = None, history: int = 20) -> int:
    """Chat until the user leaves.

    Args:
        uri: of the chat, ``ws://host:port``, with or without ``/chat``.
        user_id: our name.
        room_id: the room to go into first.
        token: for a server that wants one.
        history: messages of a room to show at first, 1 to 200.

    Returns:
        The exit code: 0 when the user left, 1 when the server refused for good.

    Raises:
        ValueError: ``uri`` is not an address, or a name cannot be written as UTF-8.
        RuntimeError: there is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise RuntimeError("the chat needs a terminal")
    talk = Conversation(user_id, room_id, token=token, history=history)
    return asyncio.run(_run(chat_uri(uri), talk))


async def _run(uri: str, talk: Conversation) -> int:
    chat = TerminalChat(uri, talk)
    code = await chat.run()
    if chat.problem:
        print(f"goim_edu: {printable(chat.problem)}", file=sys.stderr)
    if talk.outbox:
        print(f"{len(talk.outbox)} of your messages were not stored", file=sys.stderr)
    return code
