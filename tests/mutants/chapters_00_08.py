"""What chapters 00 to 08 claim, and each claim without its mechanism."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest

from goim_edu.protocol import Endpoint, FrameDecoder
from goim_edu.storage.backend import Inserted
from goim_edu.websocket.assembler import MessageAssembler
from goim_edu.websocket.heartbeat import Heartbeat, Verdict
from tests.mutants import Mutant

__all__ = ["MUTANTS"]


def _mask_with_zeros(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    patch.setattr(names["os"], "urandom", bytes)


def _acknowledge_only(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    """Messages get their numbers and are acknowledged, but not stored."""

    def insert(self: object, documents: Sequence[dict[str, Any]]) -> Inserted:
        for seq, document in enumerate(documents, 1):
            document["seq"] = seq
        return Inserted(len(documents))

    patch.setattr(type(names["live"].store.backend), "insert", insert)


def _speak_in_turn(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    """The server keeps its news until the client has said all."""
    wire = names["socket"]
    frame = wire.frame

    def frame_soon() -> Any:
        if wire.is_silent():
            raise TimeoutError("nothing comes")
        return frame()

    patch.setattr(names["news"], "publish", lambda text: None)
    patch.setattr(wire, "frame", frame_soon)


def _accept_any_answer(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    patch.setitem(names, "check_response", lambda response, key: None)


def _let_extensions_in(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    """A parser that takes RSV1 although nothing was agreed on."""
    parse = names["parse_frame"]
    patch.setitem(names, "parse_frame", lambda data, **rules: parse(data, allow_rsv1=True))


def _take_what_is_there(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    """A parser that takes a slice for the whole payload."""

    def trusting(data: bytes) -> tuple[bytes, int]:
        return data[2 : 2 + data[1]], len(data)

    patch.setitem(names, "parse_frame", trusting)


def _decode_each_read_alone(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    feed = FrameDecoder.feed
    patch.setattr(FrameDecoder, "feed", lambda self, data: feed(FrameDecoder(), data))


def _check_text_at_the_end(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    """Fragments of a text are not looked at before the last one has come."""
    add_text = MessageAssembler._add_text
    held: list[bytes] = []

    def late(self: MessageAssembler, payload: bytes | memoryview, final: bool) -> None:
        held.append(bytes(payload))
        if final:
            add_text(self, b"".join(held), True)

    patch.setattr(MessageAssembler, "_add_text", late)


def _never_silent(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    patch.setattr(Heartbeat, "verdict", lambda self, now: Verdict.ALIVE)


def _do_not_mask(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    """Without a mask, a message is a copy of the one before it."""
    patch.setitem(names, "apply_mask", lambda data, key: data)


def _forget_the_rest(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    """Each read is taken alone: what was left of the read before it is dropped."""
    whole = Endpoint.receive_data

    def receive_data(self: Endpoint, data: bytes) -> Any:
        return whole(Endpoint(self.side, already_open=True), data)

    patch.setattr(Endpoint, "receive_data", receive_data)


_ECHO: Final = ("live = LiveServer", "from goim_edu.client import connect")

_OFFICE: Final = (
    *_ECHO,
    "import os",
    "from goim_edu.lab import Site",
    "from goim_edu.lab import NaiveProxy",
    "bait = ",
    "lie = b",
    "async def visit",
)

MUTANTS: Final = [
    Mutant(
        "00",
        "what was acknowledged is in the store",
        before=("live = LiveServer()",),
        switch=_acknowledge_only,
        after=("from goim_edu.lab import say_hello", "[(message.seq, message.user_id"),
        says="(1, 'kim', 'hello')",
    ),
    Mutant(
        "01",
        "the server speaks in the middle of our frame",
        before=(
            "news = News()",
            "from goim_edu import draw",
            "socket = news.wire()",
            "hello = build_frame",
        ),
        switch=_speak_in_turn,
        after=("ours = build_frame",),
        says="['the server, too', 'the server, too', 'we are still talking:']",
    ),
    Mutant(
        "02",
        "three servers that know nothing get no client",
        before=(
            "live = LiveServer",
            "key = ",
            "answer = live",
            "from goim_edu import draw",
            "def refusal",
        ),
        switch=_accept_any_answer,
        after=("def client_says",),
        says="is 'ICX+Yqv66kxgM0FcWaLWlFLwTAI=', not 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='",
    ),
    Mutant(
        "03",
        "RSV1 is refused while no extension is agreed on",
        before=(
            *_ECHO,
            "sent = live",
            "from goim_edu.protocol import Opcode, build_frame",
            "hello = live",
            "def verdict",
        ),
        switch=_let_extensions_in,
        after=("odd = ",),
        says="RSV1 is set, no extension was agreed on",
    ),
    Mutant(
        "03b",
        "a frame that is cut is waited for",
        before=("from goim_edu import draw", "hello = "),
        switch=_take_what_is_there,
        after=("try:",),
        says="the payload is cut (RFC 6455 §5.2) 3",
    ),
    Mutant(
        "03b",
        "a decoder keeps what is left of a read",
        before=("from goim_edu import draw", "hello = ", "both = "),
        switch=_decode_each_read_alone,
        after=("decoder = FrameDecoder()",),
        says="[0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]",
    ),
    Mutant(
        "04",
        "a fresh random key for each frame keeps the office safe",
        before=_OFFICE,
        switch=_mask_with_zeros,
        after=("await visit(bait, os.urandom)",),
        says="'showPrices()'",
    ),
    Mutant(
        "04",
        "a key that was learned is worth nothing for the next frame",
        before=_OFFICE,
        switch=_mask_with_zeros,
        after=("once = ",),
        says="('stealPasswords()', 'showPrices()')",
    ),
    Mutant(
        "05",
        "what can never become UTF-8 fails at the first fragment",
        before=(
            "live = LiveServer",
            "from goim_edu.protocol import Frame, Opcode, build_close",
            "from goim_edu.exercises",
        ),
        switch=_check_text_at_the_end,
        after=('ask(Frame(TEXT, b"Hi \\xff", fin=False))',),
        says="1007",
    ),
    Mutant(
        "06",
        "a peer that does not answer counts as silent",
        before=(
            "live = LiveServer",
            "async def until",
            "import time",
            "heartbeat.next_event_at(now=0)",
        ),
        switch=_never_silent,
        after=("[heartbeat.verdict(now).name",),
        says="['ALIVE', 'ALIVE', 'SILENT', 'SILENT']",
    ),
    Mutant(
        "07",
        "masked messages have nothing in common",
        before=(
            "packed = LiveServer",
            "from goim_edu.client import connect",
            "import zlib",
            "def second(",
        ),
        switch=_do_not_mask,
        after=("second(bytes(4), bytes(4)), ",),
        says="(5, 24)",
    ),
    Mutant(
        "08",
        "any cut of the stream gives the same events",
        before=(
            *_ECHO,
            "from goim_edu.protocol import Endpoint, Side",
            "from goim_edu.exercises.chapter_08 import recorded",
            "def in_pieces",
        ),
        switch=_forget_the_rest,
        after=("chance = random.Random(8)",),
        says="1",
    ),
]
