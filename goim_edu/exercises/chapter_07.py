"""Exercises of chapter 07: compression (RFC 7692)."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any, Final

from goim_edu.errors import RemoteProtocolError
from goim_edu.exercises.model import (
    Case,
    Exercise,
    Function,
    Measure,
    Option,
    Predict,
    Wrong,
    code,
)
from goim_edu.exercises.samples import Choices
from goim_edu.feedback.wording import difference, show
from goim_edu.websocket.deflate import DeflateConfig, DeflateParams, PerMessageDeflate

__all__ = ["EXERCISES", "chat_messages", "sizes_of"]

_TAIL: Final = b"\x00\x00\xff\xff"
_HELLO: Final = bytes.fromhex("f2 48 cd c9 c9 07 00")

# ---------------------------------------------------------------------- 07.1

_FIRST_BYTE = Predict(
    id="07.1",
    title="The first byte of a compressed frame",
    statement="""A server sends a compressed text message in one frame. What is the frame's
        first byte?""",
    answer="0xc1",
    wrong={
        0x81: "That is a plain text frame. One bit more says that the message is compressed.",
        0x41: "FIN is 0 there, but the whole message is in this frame.",
        0xA1: "That is RSV2, the third bit. No extension uses it.",
        0x91: "That is RSV3, the fourth bit. No extension uses it.",
        0xC2: "The opcode is 2 there, binary. Compressed text is still text.",
    },
    otherwise="Eight bits: FIN, RSV1, RSV2, RSV3, and four bits of opcode. Which bit is new here?",
    experiment=code("""
        from goim_edu.protocol import build_frame
        hex(build_frame(bytes.fromhex("f2 48 cd c9 c9 07 00"), rsv1=True)[0])
    """),
    hints=(
        "RFC 7692 §6 uses RSV1, the second bit, for compressed messages.",
        "1 1 0 0 and then the opcode of text, 0 0 0 1.",
    ),
)

# ---------------------------------------------------------------------- 07.2


def compress_message(message: bytes) -> bytes:
    """The payload of a compressed message (RFC 7692 §7.2.1)."""
    compressor = zlib.compressobj(wbits=-15)
    data = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data[:-4]


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
    return ""


_COMPRESS = Function(
    id="07.2",
    title="Compress a message",
    statement="""Write `compress_message(message)`: raw DEFLATE (`zlib.compressobj(wbits=-15)`),
        ended with `flush(zlib.Z_SYNC_FLUSH)`, and without the last four bytes, which are always
        `00 00 ff ff`. Every such payload that a receiver can read back is right.""",
    needs="import zlib",
    starter="""
        def compress_message(message):
            return zlib.compress(message)
    """,
    kind="mend",
    reference=compress_message,
    compare=_compare_compressed,
    cases=(
        Case(
            (b"Hello",),
            "`Hello`, as in RFC 7692 §7.2.3.1",
            """`wbits=-15` means raw, without zlib's header and checksum. The flush ends with
                four bytes that the receiver knows anyway, so they are left out (§7.2.1).""",
        ),
        Case((b"",), "an empty message", "One byte is left of it, the start of an empty block."),
        Case(
            (b"ab" * 5_000,),
            "10,000 bytes that repeat",
            "What `compress` has given back so far, and what `flush` gives, belong together.",
        ),
    ),
    make=lambda c: (c.octets(0, 60) * c.integer(1, 20),),
    hints=(
        "A compressor object gives its bytes in two steps: `compress(message)` and `flush(...)`.",
        "`Z_SYNC_FLUSH` writes all that is there and leaves the stream open.",
        "Cut the last four bytes off: `data[:-4]`.",
    ),
    wrong=(
        Wrong(
            "`00 00 ff ff`",
            "data[:-4]",
            "data",
            tip="the four bytes at the end are sent, which the receiver adds by itself.",
        ),
        Wrong(
            "zlib's own header",
            "wbits=-15",
            "wbits=15",
            tip="a positive `wbits` means zlib's format, with a header and a checksum.",
        ),
        Wrong(
            "cannot read it",
            "zlib.Z_SYNC_FLUSH",
            "zlib.Z_FINISH",
            tip="`Z_FINISH` ends the stream, and then there is no `00 00 ff ff` to cut off.",
        ),
        Wrong(
            "A receiver",
            "compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)",
            "compressor.compress(message)",
            tip="nothing is flushed, so most of the message is still inside of the compressor.",
        ),
    ),
    after="With context takeover the compressor would be kept for the next message.",
)

# ---------------------------------------------------------------------- 07.3


def inflate(payload: bytes, most: int) -> bytes:
    """The message of a compressed payload, if it has at most ``most`` bytes (RFC 7692 §7.2.2)."""
    decompressor = zlib.decompressobj(wbits=-15)
    message = decompressor.decompress(payload + b"\x00\x00\xff\xff", most + 1)
    if len(message) > most:
        raise ValueError("the message is too big")
    return message


def _watch_memory(function: Callable[..., Any], payload: bytes, most: int) -> tuple[Any, str]:
    """What it gives back, and how much memory it took to find out."""
    ours = not tracemalloc.is_tracing()
    if ours:
        tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    try:
        result = function(payload, most)
    except ValueError:
        result = "ValueError"
    finally:
        peak = tracemalloc.get_traced_memory()[1] - before
        if ours:
            tracemalloc.stop()
    return result, "less than 1 MiB" if peak < 1 << 20 else "more than 1 MiB"


_BOMB: Final = compress_message(bytes(8_000_000))


def _maybe_too_big(c: Choices) -> tuple[bytes, int]:
    message = c.octets(0, 40) * c.integer(1, 50)
    most = c.pick((len(message), len(message) + 1, 10_000, max(0, len(message) - 1), 10))
    return compress_message(message), most


_INFLATE = Function(
    id="07.3",
    title="Defuse a bomb",
    kind="mend",
    statement="""A few thousand bytes can inflate to many millions. This `inflate(payload,
        most)` only looks at the size when the harm is done. Mend it: give back the message if
        it has at most `most` bytes, and raise `ValueError` if it has more, without ever making
        much more than `most` bytes of it. (What it gives back and the memory it takes are both
        looked at.)""",
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
    parts=("result", "memory"),
    cases=(
        Case(
            (_HELLO, 100),
            "the RFC's `Hello` (RFC 7692 §7.2.3.1)",
            """The four bytes that the sender left out are put back first. The stream has no
                end, so a `decompressobj` is needed: `zlib.decompress` insists on an end.""",
        ),
        Case((_HELLO, 5), "a message that fits exactly", "5 bytes are not more than 5."),
        Case((_HELLO, 4), "one byte too many", "5 bytes are more than 4: `ValueError`."),
        Case((b"\x00", 0), "an empty message, with nothing allowed", "0 bytes are not too many."),
        Case(
            (_BOMB, 1_000),
            "8 kB that inflate to 8 MB",
            "A bound must hold before the bytes exist: `decompress(data, max_length)` stops there.",
        ),
    ),
    make=_maybe_too_big,
    hints=(
        "`zlib.decompressobj(wbits=-15)` does not mind a stream without an end.",
        "Its `decompress(data, max_length)` gives at most that many bytes.",
        "Ask for `most + 1` bytes: if you get that many, the message is too big.",
    ),
    wrong=(
        Wrong(
            "more than 1 MiB",
            ", most + 1)",
            ")",
            tip="all of it is inflated first, and measured then.",
        ),
        Wrong(
            "5 bytes are more than 4",
            ", most + 1)",
            ", most or 1)",
            tip="""a message that is too big is cut, and its beginning given back as if it were
                whole.""",
        ),
        Wrong(
            "not more than 5",
            "if len(message) > most:",
            "if len(message) >= most:",
            tip="a message of exactly `most` bytes is refused.",
        ),
        Wrong(
            "not too many",
            ", most + 1)",
            ", most)",
            tip="a `max_length` of 0 means no limit at all.",
            whole="""
                import zlib

                def inflate(payload, most):
                    decompressor = zlib.decompressobj(wbits=-15)
                    message = decompressor.decompress(payload + b"\\x00\\x00\\xff\\xff", most + 1)
                    if not message or len(message) > most:
                        raise ValueError("the message is too big")
                    return message
            """,
        ),
    ),
    after="""`PerMessageDeflate.decompress(data, final, max_size)` holds the same bound, over
        all fragments of a message.""",
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
    title="Read an offer",
    statement="""`permessage-deflate; client_max_window_bits; server_max_window_bits=10` is what
        stands in `Sec-WebSocket-Extensions`. Write `read_offer(text)`: give back `(name,
        parameters)` with a dictionary of the parameters. A parameter without `=` has the value
        `None`; a value may stand in double quotes, which do not belong to it. Raise
        `ValueError` if a parameter is there twice: such an offer must be declined (RFC 7692
        §7.1).""",
    starter="""
        def read_offer(text):
            name, *pieces = text.split(";")
            return name, {}
    """,
    reference=read_offer,
    parts=("name", "parameters"),
    cases=(
        Case(("permessage-deflate",), "a bare offer", "No parameter: an empty dictionary."),
        Case(
            ("permessage-deflate; server_max_window_bits=10",),
            "one parameter with a value",
            "The value is text here, `'10'`. The spaces around names and values do not count.",
        ),
        Case(
            ("permessage-deflate; client_max_window_bits",),
            "a parameter without a value, as Chromium sends it",
            "Without `=` the value is `None`. That is not the same as an empty text.",
        ),
        Case(
            ('permessage-deflate; server_max_window_bits="10"',),
            "a value in quotes",
            "The quotes are not part of the value (RFC 6455 §9.1): this says the same as `=10`.",
        ),
        Case(
            ("permessage-deflate;server_no_context_takeover;client_no_context_takeover",),
            "two parameters, no spaces",
            "The semicolon separates; spaces may be missing.",
        ),
        Case(
            ("permessage-deflate; server_max_window_bits=10; server_max_window_bits=12",),
            "a parameter that is there twice",
            "No parameter may be there twice: this offer must be declined (RFC 7692 §7.1).",
        ),
    ),
    make=_some_offer,
    hints=(
        "`text.split(';')` gives the pieces, the name first; `strip()` each of them.",
        '`key, equals, value = piece.partition("=")`: `equals` is empty if there was no `=`.',
        "`value.strip('\"')` takes the quotes off.",
    ),
    wrong=(
        Wrong(
            "not the same as an empty text",
            "value.strip().strip('\"') if equals else None",
            "value.strip().strip('\"')",
            tip="a parameter without `=` gets an empty text.",
        ),
        Wrong(
            "quotes are not part",
            ".strip('\"')",
            "",
            tip="the quotes are still there.",
        ),
        Wrong(
            "there twice",
            "if key in parameters:",
            "if False:",
            tip="of a parameter that is there twice, the last one wins.",
        ),
        Wrong(
            "spaces",
            tip="the spaces around the semicolons are still there.",
            whole="""
                def read_offer(text):
                    name, *pieces = text.split(";")
                    parameters = {}
                    for piece in pieces:
                        key, equals, value = piece.partition("=")
                        if key in parameters:
                            raise ValueError(key)
                        parameters[key] = value.strip('"') if equals else None
                    return name, parameters
            """,
        ),
    ),
    after="""`goim_edu.websocket.extensions.parse_extensions` reads the whole header, with all its
        grammar.""",
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
    title="What does a memory save?",
    statement="""Ten chat messages go over one connection. How many bytes of payload are that in
        all: `plain`, compressed each `alone`, and with context `takeover`, where the compressor
        remembers what it has sent? `chat_messages()` gives the messages and `sizes_of(messages,
        takeover=...)` the sizes. The answer is a dictionary with these three keys.""",
    starter=code("""
        from goim_edu.exercises.chapter_07 import chat_messages, sizes_of

        messages = chat_messages()
        answer = {
            "plain": sum(map(len, messages)),
            "alone": ...,
            "takeover": ...,
        }
    """),
    solution=code("""
        from goim_edu.exercises.chapter_07 import chat_messages, sizes_of

        messages = chat_messages()
        answer = {
            "plain": sum(map(len, messages)),
            "alone": sum(sizes_of(messages, takeover=False)),
            "takeover": sum(sizes_of(messages, takeover=True)),
        }
    """),
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
    hints=(
        "`sizes_of(messages, takeover=False)` is a list of ten numbers.",
        "`sum(...)` adds them up.",
    ),
    after="The price is memory: a compressor and its window for each connection (RFC 7692 §7.1.1).",
)

# ---------------------------------------------------------------------- 07.6

_SECOND = Predict(
    id="07.6",
    title="The same message again",
    statement="""With context takeover a server sends `Hello` twice. The first time it takes 7
        bytes of payload. How many the second time?""",
    answer=5,
    wrong={
        7: "So it would be without takeover. But here the compressor still knows the first one.",
        0: "Something must be sent, or the receiver would see an empty message.",
        1: "One byte is the compressed *empty* message.",
    },
    otherwise="""The second `Hello` is a reference to the first: so far back, so long. That, and
        the start of the next block, are less than 7 bytes.""",
    experiment=code("""
        from goim_edu.websocket.deflate import DeflateParams, PerMessageDeflate

        server = PerMessageDeflate(DeflateParams(), server=True)
        server.compress(b"Hello")
        len(server.compress(b"Hello"))
    """),
    hints=(
        "DEFLATE writes repeated text as a pair: how far back, how long.",
        "RFC 7692 §7.2.3.2 shows this very example: `f2 00 11 00 00`.",
    ),
)

# ---------------------------------------------------------------------- 07.7

_STEPS = Predict(
    id="07.7",
    title="In which order?",
    statement="""The notes draw an arrow from masking to compression. In which order does a
        client really work on a long message?""",
    options=(
        Option(
            "mask, compress, cut into fragments",
            """The mask changes a byte by its place, so what was equal is so no longer, and
                there is little left to copy.""",
        ),
        Option(
            "cut into fragments, compress each, mask each",
            """Then each fragment would be a compressed message of its own, and RSV1 stands
                only on the first.""",
        ),
        Option(
            "compress, cut into fragments, mask each",
            """The whole message is compressed, RSV1 is set on its first frame, and each frame
                is masked with a key of its own.""",
            right=True,
        ),
        Option(
            "compress, mask, cut into fragments",
            "Each frame has a masking key of its own, so masking comes after the cutting.",
        ),
    ),
    source="RFC 7692 §6, RFC 6455 §5.3.",
    hints=(
        "Compression works on a message, masking on a frame.",
        "What does a masking key belong to, and where does RSV1 stand?",
    ),
)

EXERCISES: tuple[Exercise, ...] = (
    _FIRST_BYTE,
    _COMPRESS,
    _INFLATE,
    _OFFER,
    _TAKEOVER,
    _SECOND,
    _STEPS,
)
