"""Exercises of chapter 07: compression (RFC 7692)."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable
from random import Random
from typing import Any, Final

from goim_edu.errors import RemoteProtocolError
from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Fault, Function, Measure, Predict
from goim_edu.feedback.wording import difference, show
from goim_edu.websocket.deflate import DeflateConfig, DeflateParams, PerMessageDeflate

__all__ = ["chat_messages", "sizes_of"]

_TAIL: Final = b"\x00\x00\xff\xff"
_HELLO: Final = bytes.fromhex("f2 48 cd c9 c9 07 00")

# ---------------------------------------------------------------------- 07.1

_FIRST_BYTE = Predict(
    id="07.1",
    answer="0xc1",
    same=("c1", "11000001"),
    experiment="""
        from goim_edu.protocol import build_frame
        hex(build_frame(bytes.fromhex("f2 48 cd c9 c9 07 00"), rsv1=True)[0])
    """,
)

# ---------------------------------------------------------------------- 07.2


def compress_message(message: bytes) -> bytes:
    """The payload of a compressed message (RFC 7692 §7.2.1)."""
    compressor = zlib.compressobj(wbits=-15)
    data = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data[:-4]


def _reads_on(receiver: PerMessageDeflate) -> bool:
    """Whether a receiver is still in step, so that it reads a further message."""
    try:
        return receiver.decompress(compress_message(b"next"), True, 1 << 24) == b"next"
    except RemoteProtocolError:
        return False


def _compare_compressed(want: bytes, got: Any, args: tuple[Any, ...]) -> str:
    """Any DEFLATE of the message will do, if it is put into its frame as the RFC asks."""
    if not isinstance(got, bytes):
        return difference(want, got) or "Bytes are wanted."
    if got[:1] == b"\x78":
        return "It begins with 0x78: that is zlib's own header. WebSocket uses raw DEFLATE."
    if got.endswith(_TAIL):
        return "The last four bytes are still `00 00 ff ff`. They are not sent."
    receiver = PerMessageDeflate(DeflateParams(), server=True)
    try:
        plain = receiver.decompress(got, True, 1 << 24)
    except RemoteProtocolError as error:
        return f"A receiver cannot read it: {error}."
    if plain != args[0]:
        return f"A receiver reads {show(plain)} from it, not {show(args[0])}."
    if not _reads_on(receiver):
        return "A receiver reads this message, but not the next one: bytes at the end are missing."
    return ""


_COMPRESS = Function(
    id="07.2",
    needs="import zlib",
    starter="""
        def compress_message(message):
            return zlib.compress(message)
    """,
    kind="mend",
    reference=compress_message,
    compare=_compare_compressed,
    cases=((b"Hello",), (b"",), (b"ab" * 5_000,)),
    make=lambda c: (c.octets(0, 60) * c.integer(1, 20),),
    wrong=(
        ("data[:-4]", "data"),
        ("wbits=-15", "wbits=15"),
        ("zlib.Z_SYNC_FLUSH", "zlib.Z_FINISH"),
        (
            "compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)",
            "compressor.compress(message)",
        ),
    ),
)

# ---------------------------------------------------------------------- 07.3


def inflate(payload: bytes, most: int) -> bytes:
    """The message of a compressed payload, if it has at most ``most`` bytes (RFC 7692 §7.2.2)."""
    decompressor = zlib.decompressobj(wbits=-15)
    message = decompressor.decompress(payload + b"\x00\x00\xff\xff", most + 1)
    if len(message) > most:
        raise ValueError("the message is too big")
    return message


def _watch_memory(function: Callable[..., Any], payload: bytes, most: int) -> Any:
    """What it gives back or raises, or that it took too much memory for it."""
    ours = not tracemalloc.is_tracing()
    if ours:
        tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    refusal = None
    try:
        result = function(payload, most)
    except ValueError as error:
        result, refusal = None, error
    finally:
        peak = tracemalloc.get_traced_memory()[1] - before
        if ours:
            tracemalloc.stop()
    if peak >= 1 << 20:
        return Fault("It took more than 1 MiB of memory until your function came to that.")
    if refusal is not None:
        raise refusal
    return result


_BOMB: Final = compress_message(bytes(8_000_000))
_SMALL_BOMB: Final = compress_message(bytes(2_000_000))  # 2 kB
_GOOD: Final = Random(7).randbytes(
    20_000
)  # nothing to copy in it, so it is as long when compressed


def _maybe_too_big(c: Choices) -> tuple[bytes, int]:
    message = c.octets(0, 40) * c.integer(1, 50)
    most = c.pick((len(message), len(message) + 1, 10_000, max(0, len(message) - 1), 10))
    return compress_message(message), most


_INFLATE = Function(
    id="07.3",
    kind="mend",
    needs="import zlib",
    starter="""
        def inflate(payload, most):
            message = zlib.decompress(payload + b"\\x00\\x00\\xff\\xff", wbits=-15)
            if len(message) > most:
                raise ValueError("the message is too big")
            return message
    """,
    reference=inflate,
    drive=_watch_memory,
    errors=(ValueError,),
    cases=(
        (_HELLO, 100),
        (_HELLO, 5),
        (_HELLO, 4),
        (b"\x00", 0),
        (_BOMB, 1_000),
        (_SMALL_BOMB, 1_000),
        (compress_message(_GOOD), 20_000),
        (compress_message(_GOOD * 3), 60_000),
    ),
    make=_maybe_too_big,
    wrong=(
        (", most + 1)", ")"),
        (", most + 1)", ", most or 1)"),
        ("if len(message) > most:", "if len(message) >= most:"),
        ("if len(message) > most:", "if not message or len(message) > most:"),
        (
            ", most + 1)",
            ")",
            "    decompressor =",
            '    if len(payload) > 5_000:\n        raise ValueError("no")\n    decompressor =',
        ),
    ),
)

# ---------------------------------------------------------------------- 07.4


def read_offer(text: str) -> tuple[str, dict[str, str | None]]:
    """Name and parameters of one extension offer (RFC 6455 §9.1, RFC 7692 §5.1)."""
    name, *pieces = [piece.strip() for piece in text.split(";")]
    parameters: dict[str, str | None] = {}
    for piece in pieces:
        key, equals, value = piece.partition("=")
        key = key.strip()
        if key in parameters:
            raise ValueError(f"{key} is there twice")
        parameters[key] = value.strip().strip('"') if equals else None
    return name, parameters


_PARAMETERS: Final = (
    "client_max_window_bits",
    "server_max_window_bits=10",
    'client_max_window_bits="12"',
    "server_no_context_takeover",
    "client_no_context_takeover",
)


def _some_offer(c: Choices) -> tuple[str]:
    chosen = c.some(0, 3, lambda: c.pick(_PARAMETERS))
    return (c.pick(("; ", ";", " ; ")).join(["permessage-deflate", *chosen]),)


_OFFER = Function(
    id="07.4",
    starter="""
        def read_offer(text):
            name, *pieces = text.split(";")
            return name, {}
    """,
    reference=read_offer,
    parts=("name", "parameters"),
    cases=(
        ("permessage-deflate",),
        ("permessage-deflate; server_max_window_bits=10",),
        ("permessage-deflate; client_max_window_bits",),
        ('permessage-deflate; server_max_window_bits="10"',),
        ("permessage-deflate;server_no_context_takeover;client_no_context_takeover",),
        ("permessage-deflate; server_max_window_bits=10; server_max_window_bits=12",),
        ('X-Mine; Name = "Max"',),
    ),
    make=_some_offer,
    wrong=(
        ("value.strip().strip('\"') if equals else None", "value.strip().strip('\"')"),
        (".strip('\"')", ""),
        ("if key in parameters:", "if False:"),
        (
            '[piece.strip() for piece in text.split(";")]',
            'text.split(";")',
            "        key = key.strip()\n",
            "",
            "value.strip()",
            "value",
        ),
    ),
)

# ---------------------------------------------------------------------- 07.5


def chat_messages() -> list[bytes]:
    """Ten chat messages, much alike."""
    return [
        b'{"type":"message","room_id":"lobby","seq":%d,"user_id":"lisa","text":"Hello %d"}'
        % (number, number)
        for number in range(1, 11)
    ]


def sizes_of(messages: list[bytes], *, takeover: bool) -> list[int]:
    """How many bytes each message has after compression.

    Args:
        messages: one after the other on one connection.
        takeover: whether the compressor remembers the messages before.

    >>> sizes_of([b"Hello", b"Hello"], takeover=True)
    [7, 5]
    """
    params = DeflateParams(server_no_context_takeover=not takeover)
    server = PerMessageDeflate(params, server=True, config=DeflateConfig())
    return [len(server.compress(message)) for message in messages]


def _judge_takeover(answer: Any) -> str | None:
    if not isinstance(answer, dict) or set(answer) != {"plain", "alone", "takeover"}:
        return "A dictionary with the keys `plain`, `alone` and `takeover` is wanted."
    messages = chat_messages()
    right = {
        "plain": sum(map(len, messages)),
        "alone": sum(sizes_of(messages, takeover=False)),
        "takeover": sum(sizes_of(messages, takeover=True)),
    }
    if answer == right:
        return None
    if answer["alone"] == right["takeover"] and answer["takeover"] == right["alone"]:
        return "`alone` and `takeover` are exchanged: with takeover the messages get shorter."
    for name, value in right.items():
        if answer[name] == value:
            continue
        if answer[name] is ...:
            return f"For `{name}` there is still `...`: fill it in."
        if isinstance(answer[name], list):
            return f"`{name}` is a list of sizes in yours: add them up with `sum(...)`."
        return f"`{name}` is {answer[name]!r} in yours. Add up the sizes of all ten messages."
    return None


_TAKEOVER = Measure(
    id="07.5",
    starter="""
        from goim_edu.exercises.chapter_07 import chat_messages, sizes_of

        messages = chat_messages()
        answer = {
            "plain": sum(map(len, messages)),
            "alone": ...,
            "takeover": ...,
        }
    """,
    solved=(
        '"alone": ...',
        '"alone": sum(sizes_of(messages, takeover=False))',
        '"takeover": ...',
        '"takeover": sum(sizes_of(messages, takeover=True))',
    ),
    judge=_judge_takeover,
    wrong=(
        ({"plain": 1, "alone": 2, "takeover": 3}, "`plain` is 1"),
        (
            {
                "plain": sum(map(len, chat_messages())),
                "alone": sum(sizes_of(chat_messages(), takeover=True)),
                "takeover": sum(sizes_of(chat_messages(), takeover=False)),
            },
            "exchanged",
        ),
        (
            {
                "plain": sum(map(len, chat_messages())),
                "alone": sizes_of(chat_messages(), takeover=False),
                "takeover": 0,
            },
            "`sum(...)`",
        ),
        ({"plain": sum(map(len, chat_messages())), "alone": ..., "takeover": ...}, "fill it in"),
        (None, "dictionary"),
    ),
)

# ---------------------------------------------------------------------- 07.6

_SECOND = Predict(
    id="07.6",
    answer=5,
    experiment="""
        from goim_edu.websocket.deflate import DeflateParams, PerMessageDeflate

        server = PerMessageDeflate(DeflateParams(), server=True)
        server.compress(b"Hello")
        len(server.compress(b"Hello"))
    """,
)

# ---------------------------------------------------------------------- 07.7

_STEPS = Predict(id="07.7", right="c")
