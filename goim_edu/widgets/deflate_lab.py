"""DeflateLab: a series of messages through one compressor, and what each choice costs and saves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import traitlets

from goim_edu import draw
from goim_edu.draw.frame import drawn_fields
from goim_edu.palette import ROLES, ink_on
from goim_edu.printable import printable
from goim_edu.websocket.deflate import (
    DeflateConfig,
    DeflateParams,
    PerMessageDeflate,
    negotiate_server,
    offer_client,
)
from goim_edu.websocket.explain import explain
from goim_edu.websocket.extensions import format_extensions
from goim_edu.websocket.frames import Opcode, build_frame
from goim_edu.widgets.base import Lab, script, style
from goim_edu.widgets.deflate_presets import PRESETS

__all__ = ["DeflateLab", "Memory", "Size"]

_MOST_MESSAGES: Final = 100
_MOST_OCTETS: Final = 16_384  # of one message
_SHOWN: Final = 120  # characters of a message in the table
_KEY: Final = bytes.fromhex("37fa213d")  # the masking key of the examples in RFC 6455 §5.7
_COMPRESSOR: Final = 6 * 1024  # octets besides the window and its index, see ``DeflateConfig``
_DECOMPRESSOR: Final = 7 * 1024  # octets besides the window
_SETTINGS: Final = (
    "sender",
    "server_takeover",
    "client_takeover",
    "server_window_bits",
    "client_window_bits",
)


class Size(NamedTuple):
    """How many octets a message is, plain and compressed."""

    plain: int
    compressed: int


class Memory(NamedTuple):
    """An estimate of the octets that a server keeps for a connection between two messages.

    With no context takeover nothing is kept: each message gets a new compressor.
    """

    compressor: int
    decompressor: int


class DeflateLab(Lab):
    """Send messages through one compressor and see what each of them costs on the wire.

    They are compressed by the code that the live server uses, after a negotiation by the code
    that the live server uses; each one is also compressed with the other choice of context
    takeover. With the keyboard: Enter in the field adds a message, the arrow keys choose one,
    Delete removes it.

    Args:
        messages: text or octets, in the order in which they are sent; or the name of one of
            ``DeflateLab.presets``.
        sender: who sends them; a client's frames are masked.

    Attributes:
        messages: as given, to read, to set and to observe; to change it, set another list.
        server_takeover, client_takeover: whether a message of that side may copy from the ones
            before it. The other way round it is called ``no_context_takeover``.
        server_window_bits, client_window_bits: how far back that side may copy, 9 to 15: a
            window of ``2**bits`` octets.
        selected: the number of the message that is shown bit by bit, from 0; -1 if there is none.

    >>> lab = DeflateLab(["tick tick", "tick tick"], sender="server")
    >>> lab.sizes[0] > lab.sizes[1]
    True
    >>> lab.takeover = False
    >>> lab.sizes[0] == lab.sizes[1]
    True
    >>> lab.answer
    'permessage-deflate; server_no_context_takeover; server_max_window_bits=12; \
client_max_window_bits=12'
    """

    _esm = script("deflate_lab")
    _css = style("deflate_lab")

    presets = tuple(PRESETS)

    messages: traitlets.List[Any] = traitlets.List(
        traitlets.Union([traitlets.Unicode(), traitlets.Bytes()])
    )
    sender = traitlets.Enum(("server", "client"), "server")
    server_takeover = traitlets.Bool(True)
    client_takeover = traitlets.Bool(True)
    server_window_bits = traitlets.Int(12, min=9, max=15)
    client_window_bits = traitlets.Int(12, min=9, max=15)
    selected = traitlets.Int(-1)
    menu = traitlets.List(traitlets.Unicode()).tag(sync=True)
    colours = traitlets.Dict().tag(sync=True)

    def __init__(
        self, messages: Iterable[str | bytes] | str = "a chat in JSON", sender: str = "server"
    ) -> None:
        first = PRESETS[messages] if isinstance(messages, str) else list(messages)
        super().__init__(
            messages=list(first),
            sender=sender,
            selected=len(first) - 1,
            menu=list(PRESETS),
            colours={role: [colour, ink_on(colour)] for role, colour in ROLES.items()},
        )
        self.observe(self._refresh, ["messages", "selected", *_SETTINGS])
        self._refresh()

    # ------------------------------------------------------------------ what Python can do

    @property
    def takeover(self) -> bool:
        """Whether a message may copy from those before it, in the direction of the sender."""
        return self.server_takeover if self.sender == "server" else self.client_takeover

    @takeover.setter
    def takeover(self, value: bool) -> None:
        setattr(self, f"{self.sender}_takeover", value)

    @property
    def window_bits(self) -> int:
        """How far back a copy may reach, in the direction of the sender: ``2**bits`` octets."""
        return self.server_window_bits if self.sender == "server" else self.client_window_bits

    @window_bits.setter
    def window_bits(self, value: int) -> None:
        setattr(self, f"{self.sender}_window_bits", value)

    @property
    def sizes(self) -> list[Size]:
        """How many octets each message is, plain and compressed."""
        pairs = zip(self._plain, self.compressed, strict=True)
        return [Size(len(plain), len(compressed)) for plain, compressed in pairs]

    @property
    def ratio(self) -> float:
        """Compressed octets of all messages by plain octets: 0.4 is two fifths; 0 without any."""
        sizes = self.sizes
        plain = sum(size.plain for size in sizes)
        return sum(size.compressed for size in sizes) / plain if plain else 0.0

    @property
    def compressed(self) -> list[bytes]:
        """Each message as it goes into its frame."""
        return self._compress(takeover=self.takeover)

    @property
    def frames(self) -> list[bytes]:
        """Each message as a frame with RSV1 set, as it goes over the wire."""
        key = _KEY if self.sender == "client" else None
        pairs = zip(self.messages, self.compressed, strict=True)
        return [
            build_frame(payload, _opcode(message), True, key, rsv1=True)
            for message, payload in pairs
        ]

    @property
    def params(self) -> DeflateParams:
        """What server and client agree on, both with these settings."""
        params, _ = negotiate_server(offer_client(self._config), self._config)
        return params or DeflateParams()

    @property
    def offer(self) -> str:
        """What the client says in ``Sec-WebSocket-Extensions``."""
        return format_extensions(offer_client(self._config))

    @property
    def answer(self) -> str:
        """What the server says in ``Sec-WebSocket-Extensions``."""
        _, answer = negotiate_server(offer_client(self._config), self._config)
        return format_extensions([answer] if answer else [])

    @property
    def memory(self) -> Memory:
        """What the server keeps for each connection between two messages, estimated in octets."""
        config = self._config
        tables = 2 ** (self.server_window_bits + 2) + 2 ** (config.mem_level + 9)
        compressor = tables + _COMPRESSOR
        decompressor = 2**self.client_window_bits + _DECOMPRESSOR
        return Memory(compressor * self.server_takeover, decompressor * self.client_takeover)

    def add(self, message: str | bytes) -> Size:
        """Send one more message; it is selected. Return its sizes.

        Raises:
            TraitError: it is too long, or there are too many.
        """
        with self.hold_trait_notifications():
            self.messages = [*self.messages, message]
            self.selected = len(self.messages) - 1
        return self.sizes[-1]

    def remove(self, number: int) -> None:
        """Take message ``number`` out of the series, counted from 0.

        Raises:
            IndexError: there is no such message.
        """
        self._check_number(number)
        self.messages = [*self.messages[:number], *self.messages[number + 1 :]]

    def clear(self) -> None:
        """Start anew: no messages, an empty window."""
        self.messages = []

    def load(self, name: str) -> None:
        """Start from the series called ``name``.

        Raises:
            KeyError: no preset is called so.
        """
        with self.hold_trait_notifications():
            self.messages = list(PRESETS[name])
            self.selected = len(self.messages) - 1

    def select(self, number: int) -> None:
        """Show message ``number`` bit by bit, counted from 0.

        Raises:
            IndexError: there is no such message.
        """
        self._check_number(number)
        self.selected = number

    def picture(self) -> draw.Picture:
        """Return the selected message as a picture, as in print.

        Raises:
            ValueError: there is no message.
        """
        if self.selected < 0:
            raise ValueError("there is no message to draw: lab.add('Hello')")
        return draw.compression(self.compressed[self.selected], history=self._history)

    # ------------------------------------------------------------------ how it is computed

    @property
    def _plain(self) -> list[bytes]:
        return [_octets(message) for message in self.messages]

    @property
    def _config(self) -> DeflateConfig:
        return DeflateConfig(
            self.server_window_bits,
            self.client_window_bits,
            not self.server_takeover,
            not self.client_takeover,
        )

    @property
    def _history(self) -> bytes:
        """What is in the window when the selected message comes."""
        if not self.takeover:
            return b""
        return b"".join(self._plain[: self.selected])[-(2**self.window_bits) :]

    def _compress(self, *more: bytes, takeover: bool) -> list[bytes]:
        """All messages, and those in ``more``, through one compressor."""
        params = self.params._replace(**{f"{self.sender}_no_context_takeover": not takeover})
        codec = PerMessageDeflate(params, self.sender == "server", self._config)
        return [codec.compress(plain) for plain in (*self._plain, *more)]

    def _check_number(self, number: int) -> None:
        if not 0 <= number < len(self.messages):
            raise IndexError(f"message {number}: there are {len(self.messages)}, from 0")

    @traitlets.validate("messages")
    def _bound(self, proposal: Any) -> Any:
        value = proposal["value"]
        if len(value) > _MOST_MESSAGES:
            raise traitlets.TraitError(f"a series has at most {_MOST_MESSAGES} messages")
        longest = max((len(_octets(message)) for message in value), default=0)
        if longest > _MOST_OCTETS:
            raise traitlets.TraitError(
                f"a message here has at most {_MOST_OCTETS:,} octets, not {longest:,}"
            )
        return value

    # ------------------------------------------------------------------ what the browser sees

    def _refresh(self, _: object = None) -> None:
        last = len(self.messages) - 1
        if not 0 <= self.selected <= last and self.selected != last:
            self.selected = last  # and that refreshes
            return
        both = {choice: self._compress(takeover=choice) for choice in (True, False)}
        plain = self._plain
        rows = [
            {
                "text": _shown(message),
                "plain": len(plain[number]),
                "on": len(both[True][number]),
                "off": len(both[False][number]),
            }
            for number, message in enumerate(self.messages)
        ]
        self.view = {
            "rows": rows,
            "selected": self.selected,
            "settings": {name: getattr(self, name) for name in _SETTINGS},
            "takeover": self.takeover,
            "said": _summary(rows, takeover=self.takeover),
            "offer": self.offer,
            "answer": self.answer,
            "memory": self._memory_in_words(),
            "chosen": self._chosen() if self.selected >= 0 else None,
        }

    def _memory_in_words(self) -> str:
        compressor, decompressor = self.memory
        total = compressor + decompressor
        if not total:
            return "nothing: each message gets a new compressor and a new decompressor"
        parts = [
            f"{octets / 1024:g} KiB {name}"
            for octets, name in ((compressor, "to compress"), (decompressor, "to decompress"))
            if octets
        ]
        many = total * 10_000 / 2**20
        return f"about {' + '.join(parts)}; 10,000 idle connections keep {many:,.0f} MiB"

    def _chosen(self) -> dict[str, Any]:
        """The selected message: its frame, and its picture."""
        frame = self.frames[self.selected]
        side: Any = self.sender
        fields = drawn_fields(explain(frame, kind="frame", sender=side, compression=True))
        plain, compressed = self.sizes[self.selected]
        first = [field for field in fields if field.start < 16]
        note = "RSV1 is set: the payload is compressed."
        if compressed >= plain:
            note += " It did not get shorter: a sender may send it plain, with RSV1 clear (§6)."
        return {
            "note": note,
            "total": len(frame),
            "hex": frame[:24].hex(" ") + (" …" if len(frame) > 24 else ""),
            "bits": [frame[0], frame[1]],
            "fields": [
                {
                    "name": field.name,
                    "start": field.start,
                    "length": min(field.length, 16 - field.start),
                    "meaning": printable(field.meaning),
                    "role": field.role,
                }
                for field in first
            ],
            "picture": self.picture().svg(),
        }

    def _do(self, content: dict[str, Any]) -> None:
        match content:
            case {"type": "add", "text": str(text)}:
                self.add(text)
            case {"type": "draft", "text": str(text)}:
                self._weigh(text)
            case {"type": "select", "number": int(number)} if 0 <= number < len(self.messages):
                self.selected = number
            case {"type": "remove", "number": int(number)} if 0 <= number < len(self.messages):
                self.remove(number)
            case {"type": "clear"}:
                self.clear()
            case {"type": "load", "name": str(name)} if name in PRESETS:
                self.load(name)
            case {"type": "set", "name": str(name), "value": value} if name in _SETTINGS:
                setattr(self, name, value)

    def _weigh(self, text: str) -> None:
        """Tell what a message would cost that is being typed."""
        plain = text.encode()[:_MOST_OCTETS]
        compressed = self._compress(plain, takeover=self.takeover)[-1]
        self.send({"type": "draft", "plain": len(plain), "compressed": len(compressed)})

    def __repr__(self) -> str:
        count = len(self.messages)
        kept = f"takeover={self.takeover}, window_bits={self.window_bits}"
        return f"DeflateLab({count} message{'s'[: count != 1]}, {kept})"

    def _stand_in(self) -> str:
        if self.selected < 0:
            return "<p><small>Messages and their compressed sizes appear here.</small></p>"
        return super()._stand_in()


def _octets(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


def _opcode(message: str | bytes) -> Opcode:
    return Opcode.TEXT if isinstance(message, str) else Opcode.BINARY


def _shown(message: str | bytes) -> str:
    text = printable(message) if isinstance(message, str) else message.hex(" ")
    return text[:_SHOWN] + "…" * (len(text) > _SHOWN)


def _summary(rows: list[dict[str, Any]], *, takeover: bool) -> str:
    if not rows:
        return "no message yet: type one, or choose a series"
    plain, on, off = (sum(row[name] for row in rows) for name in ("plain", "on", "off"))
    agreed, other, name = (on, off, "without") if takeover else (off, on, "with")
    share = f" ({agreed / plain:.0%})" if plain else ""
    return (
        f"{len(rows)} message{'s'[: len(rows) != 1]} of {plain:,} plain octets go as {agreed:,} on "
        f"the wire{share}; {name} context takeover as {other:,}"
    )
