"""Exercises of chapter 04: masking (RFC 6455 §5.3, §10.3)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

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
from goim_edu.feedback.wording import show
from goim_edu.websocket.explain import Field
from goim_edu.websocket.frames import apply_mask, build_frame

__all__ = ["EXERCISES"]

_KEY: Final = bytes.fromhex("37 fa 21 3d")
_XOR: Final = "byte i of the payload is combined with byte `i % 4` of the key by XOR (`^`)."


def _four(c: Choices) -> bytes:
    return bytes(c.integer(0, 255) for _ in range(4))


def _bytes_of_payload(data: bytes) -> list[Field]:
    return [Field(f"payload byte {index}", 8 * index, 8) for index in range(len(data))]


_ONE_BYTE = Predict(
    id="04.1",
    title="XOR of one byte",
    statement="""The letter `e` is 0x65. The second byte of the masking key in the RFC's example
        is 0xfa. What goes over the wire?""",
    answer="0x9f",
    wrong={
        0x60: "That is AND (`&`): 1 where both bits are 1. XOR is 1 where they differ.",
        0xFF: "That is OR (`|`): 1 where at least one bit is 1. XOR is 1 where they differ.",
        0x15F: "That is the sum, and it does not even fit into a byte. XOR never carries.",
        0x5F: "That is the sum without its carry. XOR compares bit with bit, nothing else.",
        0x65: "That is the letter itself: XOR with 0xfa must change some bits.",
    },
    otherwise="Write both as eight bits, one below the other: 1 where they differ, else 0.",
    experiment="hex(0x65 ^ 0xfa)",
    hints=(
        "0x65 is 0110 0101 and 0xfa is 1111 1010.",
        "Bit by bit, 1 where they differ: the first four bits give 1001, which is 9.",
        "The last four bits, 0101 and 1010, differ everywhere.",
    ),
)


def apply_mask_by_byte(payload: bytes, mask_key: bytes) -> bytes:
    """Mask or unmask, byte by byte (RFC 6455 §5.3)."""
    return bytes(byte ^ mask_key[i % 4] for i, byte in enumerate(payload))


_APPLY_MASK = Function(
    id="04.2",
    title="Mask a payload",
    statement="""Write `apply_mask(payload, mask_key)`: byte i of the result is byte i of the
        payload XOR byte i modulo 4 of the key.""",
    starter="""
        def apply_mask(payload, mask_key):
            masked = bytearray(payload)
            # ...
            return bytes(masked)
    """,
    reference=apply_mask_by_byte,
    called="apply_mask",
    package=apply_mask,
    fields=_bytes_of_payload,
    cases=(
        Case((b"Hello", _KEY), "`Hello` with the key of the RFC (§5.7)", f"Here {_XOR}"),
        Case(
            (bytes.fromhex("7f 9f 4d 51 58"), _KEY),
            "the masked bytes again, with the same key",
            "XOR with the same key twice gives the original back, so one function does both.",
        ),
        Case((b"", _KEY), "nothing", "An empty payload stays empty."),
        Case(
            (b"abcdefghijkl", _KEY),
            "twelve bytes, three times the key",
            f"The key is used again and again: {_XOR}",
        ),
        Case(
            (bytes([0xFF] * 6), bytes([1, 2, 4, 8])),
            "six bytes with all bits set",
            "XOR turns a bit round where the key has a 1, and leaves it where the key has a 0.",
        ),
    ),
    make=lambda c: (c.octets(0, 30), _four(c)),
    hints=(
        "`masked[i] ^= ...` changes one byte of a `bytearray` in its place.",
        "`i % 4` runs 0, 1, 2, 3, 0, 1, ...: use it to choose the byte of the key.",
    ),
    wrong=(
        Wrong(
            "`i % 4`",
            "mask_key[i % 4]",
            "mask_key[0]",
            tip="only the first byte of the key is used.",
        ),
        Wrong(
            "IndexError",
            "mask_key[i % 4]",
            "mask_key[i]",
            tip="the key has four bytes; for the fifth it begins again.",
        ),
        Wrong(
            "XOR",
            "byte ^ mask_key",
            "byte | mask_key",
            tip="`|` is OR. It cannot be undone, so the receiver could never unmask it.",
        ),
        Wrong(
            "payload byte 3",
            "i % 4",
            "i % 3",
            tip="the key has four bytes, so it begins again after four, not after three.",
        ),
        Wrong(
            "XOR",
            "byte ^ mask_key[i % 4]",
            "(byte + mask_key[i % 4]) % 256",
            tip="this adds. Adding twice does not give the original back, XOR does.",
        ),
    ),
    after="The package does it without a loop; 04.5 and 04.6 show how.",
)

_ZEROS = Predict(
    id="04.3",
    title="Mask five zeros",
    statement="""A client masks a payload of five zero bytes with the key `37 fa 21 3d`. What
        does the masked payload look like?""",
    answer="37 fa 21 3d 37",
    wrong={
        "00 00 00 00 00": """XOR with 0 leaves a bit as it is. But here the payload is 0: what
            stays is the key's bits.""",
        "37 fa 21 3d": "That is four bytes. A masked payload is exactly as long as the plain one.",
        "37 fa 21 3d 00": "The key does not end after four bytes: it begins again.",
        "c8 05 de c2 c8": "You turned every bit round. XOR does so only where the other bit is 1.",
    },
    otherwise="0 XOR x is x. Type the five bytes as hex, like `00 11 22 33 44`.",
    experiment=code("""
        from goim_edu.protocol import apply_mask
        apply_mask(bytes(5), bytes.fromhex("37 fa 21 3d")).hex(" ")
    """),
    hints=(
        "A bit XOR 0 stays as it is.",
        "So each byte of the result is the byte of the key. Which one is it for the fifth?",
    ),
    after="""So whoever knows the payload knows the key. Masking keeps no secret, nor is it
        meant to.""",
)


def unmask_piece(piece: bytes, mask_key: bytes, position: int) -> bytes:
    """Unmask a piece of a payload that begins at ``position`` of it."""
    return bytes(byte ^ mask_key[(position + i) % 4] for i, byte in enumerate(piece))


_PIECE = Function(
    id="04.4",
    title="Unmask a payload that arrives in pieces",
    statement="""A payload of 1 MiB comes in many reads, and you want to unmask each piece as it
        comes. Write `unmask_piece(piece, mask_key, position)`, where `position` says how many
        bytes of the same payload came before this piece.""",
    starter="""
        def unmask_piece(piece, mask_key, position):
            return bytes(byte ^ mask_key[i % 4] for i, byte in enumerate(piece))
    """,
    reference=unmask_piece,
    fields=_bytes_of_payload,
    cases=(
        Case((bytes.fromhex("7f 9f"), _KEY, 0), "the first two bytes of `Hello`", _XOR),
        Case(
            (bytes.fromhex("4d 51 58"), _KEY, 2),
            "the other three, two bytes later",
            """i counts from the start of the payload, not of the piece: the first byte here is
                byte 2, so it meets byte 2 of the key.""",
        ),
        Case(
            (bytes.fromhex("58"), _KEY, 4), "its last byte", "Byte 4 meets byte `4 % 4` of the key."
        ),
        Case(
            (bytes.fromhex("00 00 00 00 00"), _KEY, 1_000_003),
            "a piece far behind in the payload",
            "1,000,003 modulo 4 is 3: the piece begins with the last byte of the key.",
        ),
        Case((b"", _KEY, 3), "an empty piece", "An empty piece stays empty."),
    ),
    make=lambda c: (c.octets(0, 12), _four(c), c.integer(0, 1000)),
    hints=(
        "The key must go on where it stopped in the piece before.",
        "Byte i of the piece is byte `position + i` of the payload.",
    ),
    wrong=(
        Wrong(
            "from the start of the payload",
            "position + i",
            "i",
            tip="each piece begins the key anew; only the first piece comes out right.",
        ),
        Wrong(
            "it meets byte 2 of the key",
            "position + i",
            "i + 1",
            tip="the key is turned by one, whatever `position` says.",
            whole="""
                def unmask_piece(piece, mask_key, position):
                    turn = 1 if position else 0
                    return bytes(b ^ mask_key[(i + turn) % 4] for i, b in enumerate(piece))
            """,
        ),
        Wrong(
            "1,000,003 modulo 4 is 3",
            "(position + i) % 4",
            "(i - position) % 4",
            tip="the key is turned in the wrong direction.",
        ),
        Wrong(
            "IndexError",
            "(position + i) % 4",
            "position + i % 4",
            tip="`%` binds closer than `+`: put `position + i` into parentheses.",
        ),
    ),
    after="`FrameDecoder` does this: it hands on what has come of a long frame, and turns the key.",
)


def apply_mask_as_number(payload: bytes, mask_key: bytes) -> bytes:
    """Mask all bytes at once: payload and key as two huge numbers."""
    size = len(payload)
    keys = (mask_key * (size // 4 + 1))[:size]
    number = int.from_bytes(payload, "little") ^ int.from_bytes(keys, "little")
    return number.to_bytes(size, "little")


_AS_NUMBER = Function(
    id="04.5",
    title="Mend the fast mask",
    kind="mend",
    statement="""Python can XOR two numbers of any size in one step, and that is much faster
        than a loop: payload and repeated key become two huge numbers. But this one is right
        only for some lengths. Find out for which, and mend it; a loop is not needed.""",
    starter="""
        def apply_mask(payload, mask_key):
            size = len(payload)
            keys = mask_key * (size // 4)
            number = int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")
            return number.to_bytes(size, "big")
    """,
    reference=apply_mask_as_number,
    called="apply_mask",
    package=apply_mask,
    fields=_bytes_of_payload,
    cases=(
        Case((b"Hell", _KEY), "four bytes", "The key fits exactly once."),
        Case(
            (b"Hello", _KEY),
            "five bytes",
            """The key must be as long as the payload: repeat it once more than it fits, and
                cut off what is too much. A shorter number would be aligned at the wrong end.""",
        ),
        Case((b"H", _KEY), "one byte", "Shorter than the key: cut the key to one byte."),
        Case((b"", _KEY), "nothing", "`(0).to_bytes(0, 'big')` is `b''`, which is right."),
        Case(
            (b"Hello" + _KEY[1:] + _KEY, _KEY),
            "a payload that ends with the key itself",
            """The result ends with seven zero bytes, which are not to be lost: `to_bytes`
                needs the size of the payload.""",
        ),
    ),
    make=lambda c: (c.octets(0, 70), _four(c)),
    hints=(
        "Try lengths 4, 5, 6, 7, 8: when are `keys` and `payload` equally long?",
        "`mask_key * (size // 4 + 1)` is long enough; `[:size]` cuts it.",
    ),
    wrong=(
        Wrong(
            "OverflowError",
            "[:size]",
            "",
            tip="the repeated key is longer than the payload, so the number is too big for it.",
        ),
        Wrong(
            "as long as the payload",
            "(mask_key * (size // 4 + 1))[:size]",
            '(mask_key * (size // 4)).ljust(size, b"\\0")',
            tip="the last one to three bytes are combined with zeros, so they are not masked.",
        ),
        Wrong(
            "to_bytes` needs the",
            "number.to_bytes(size",
            "number.to_bytes((number.bit_length() + 7) // 8",
            tip="zero bytes at one end of the result are lost.",
        ),
        Wrong(
            "as long as the payload",
            whole="""
                def apply_mask(payload, mask_key):
                    size = len(payload)
                    keys = (mask_key * (size // 4 + 1))[-size:]
                    number = int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")
                    return number.to_bytes(size, "big")
            """,
            tip="the key is cut at the wrong end, so it does not begin with its first byte.",
        ),
    ),
    after="This is how the package masks payloads of up to some hundred bytes.",
)

# ---------------------------------------------------------------------- 04.6


def count_steps(function: Callable[..., Any], *args: Any) -> int:
    """How many steps (bytecode instructions) Python takes for a call."""
    steps = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return trace

    before = sys.gettrace()
    # Python 3.12 looks only here, as tracing begins, whether instructions are wanted at all.
    sys._getframe().f_trace_opcodes = True
    sys.settrace(trace)
    try:
        function(*args)
    finally:
        sys.settrace(before)
    return steps


def _judge_steps(answer: Any) -> str | None:
    if not callable(answer):
        return "Your function itself is wanted: `answer = my_function`."
    for size in (0, 1, 5, 64, 4_097):
        payload = bytes(index % 251 for index in range(size))
        if (got := answer(payload, _KEY)) != apply_mask(payload, _KEY):
            return f"For {size} bytes it is not even right: it gives {show(got)}."
    few, many = (count_steps(answer, bytes(size), _KEY) for size in (40, 4_000))
    if many > 2 * few + 100:
        return (
            f"It takes {few:,} steps for 40 bytes and {many:,} for 4,000: Python itself still "
            "walks over each byte. Let something written in C do that."
        )
    return None


_STEPS = Measure(
    id="04.6",
    title="Count the steps, not the seconds",
    statement="""Seconds depend on the machine and on what else it does; steps do not. Make a
        function that masks right, and for which Python takes (nearly) as many steps for 4,000
        bytes as for 40. `count_steps(function, payload, key)` counts. The answer is your
        function.""",
    starter=code("""
        from goim_edu.exercises.chapter_04 import count_steps

        def apply_mask(payload, mask_key):
            return bytes(byte ^ mask_key[i % 4] for i, byte in enumerate(payload))

        print(count_steps(apply_mask, bytes(40), b"abcd"))
        print(count_steps(apply_mask, bytes(4000), b"abcd"))
        answer = apply_mask
    """),
    solution=code("""
        def apply_mask(payload, mask_key):
            size = len(payload)
            keys = (mask_key * (size // 4 + 1))[:size]
            number = int.from_bytes(payload, "little") ^ int.from_bytes(keys, "little")
            return number.to_bytes(size, "little")

        answer = apply_mask
    """),
    judge=_judge_steps,
    wrong=(
        (5, "function itself"),
        (lambda payload, key: payload, "not even right"),
        (lambda payload, key: bytes(b ^ key[i % 4] for i, b in enumerate(payload)), "each byte"),
        (
            lambda payload, key: b"".join(
                bytes([payload[i] ^ key[i % 4]]) for i in range(len(payload))
            ),
            "each byte",
        ),
    ),
    hints=(
        "Have you done 04.5? One XOR of two huge numbers is one step.",
        """Or four slices: `payload[0::4]` are all bytes that meet the first byte of the key,
            and `bytes.translate` changes them all in one step.""",
    ),
    after="The package goes on with numpy where payloads are long; chapter 04 races them.",
)

# ---------------------------------------------------------------------- 04.7


def find_key(masked: bytes, known: bytes) -> bytes:
    """The masking key, from the first four bytes of a payload that one can guess."""
    return bytes(one ^ other for one, other in zip(masked[:4], known[:4], strict=True))


_FIND_KEY = Function(
    id="04.7",
    title="Find the key without looking at it",
    statement="""All chat messages here begin with the bytes `{"type"`. Write `find_key(masked,
        known)`: from the masked payload and its known beginning (four bytes or more each), the
        four bytes of the masking key. So masking is no encryption.""",
    starter="""
        def find_key(masked, known):
            return ...
    """,
    reference=find_key,
    fields=lambda data: [Field(f"key byte {index}", 8 * index, 8) for index in range(4)],
    cases=(
        Case(
            (bytes.fromhex("7f 9f 4d 51 58"), b"Hello"),
            "the RFC's example (§5.7)",
            """masked = plain XOR key, so masked XOR plain = key: XOR undoes itself. Four bytes
                are enough.""",
        ),
        Case(
            (apply_mask(b'{"type":"hello"}', bytes.fromhex("01 02 03 04")), b'{"type"'),
            "a chat message",
            "The key has four bytes, however many bytes are known.",
        ),
        Case((b"abcd", b"abcd"), "a payload that is not changed", "Then the key is four zeros."),
    ),
    make=lambda c: (c.octets(4, 20), c.octets(4, 8)),
    hints=(
        "masked = plain XOR key. Put XOR plain on both sides.",
        "`zip(masked[:4], known[:4])` gives the pairs of bytes; combine each with `^`.",
    ),
    wrong=(
        Wrong(
            "XOR",
            "one ^ other",
            "one & other",
            tip="`&` is AND.",
        ),
        Wrong(
            "XOR undoes itself",
            "one ^ other",
            "(one - other) % 256",
            tip="this subtracts, as if masking had added.",
        ),
        Wrong(
            "Four bytes are",
            "zip(masked[:4], known[:4], strict=True)",
            "zip(masked, known)",
            tip="the key is given back several times over; it has four bytes.",
        ),
    ),
    after="""And in a real frame the key stands right before the payload, for all to read. What
        the mask does is keep a page's script from choosing the bytes on the wire (RFC 6455
        §10.3).""",
)

# ---------------------------------------------------------------------- 04.8


def send_all(texts: list[str], random_bytes: Callable[[int], bytes]) -> list[bytes]:
    """A client's text frames, each masked with a key of its own (RFC 6455 §5.3)."""
    return [build_frame(text, mask_key=random_bytes(4)) for text in texts]


def _with_a_counter(function: Callable[..., Any], texts: list[str]) -> Any:
    """Call it with a source whose bytes one can foresee: 0, 1, 2, ..."""
    drawn = 0

    def random_bytes(size: int) -> bytes:
        nonlocal drawn
        drawn += size
        return bytes(index % 256 for index in range(drawn - size, drawn))

    return function(texts, random_bytes)


_FRESH_KEYS = Function(
    id="04.8",
    title="Mend a client that is too thrifty",
    kind="mend",
    statement="""This client draws one masking key and uses it for all its frames. A server
        would not mind, but an attacker who has seen one frame would know the mask of the next.
        The RFC asks for a fresh, unpredictable key for every frame (§5.3). Mend it. (It is
        tried with a `random_bytes` that gives 0, 1, 2, ... in turn.)""",
    needs="from goim_edu.protocol import build_frame",
    starter="""
        def send_all(texts, random_bytes):
            mask_key = random_bytes(4)
            return [build_frame(text, mask_key=mask_key) for text in texts]
    """,
    reference=send_all,
    drive=_with_a_counter,
    usage="send_all({0}, random_bytes)",
    cases=(
        Case((["Hi"],), "one text", "A client's frame is masked, with a key of four bytes."),
        Case(
            (["Hi", "Hi"],),
            "the same text twice",
            "Every frame needs a fresh key: four new bytes for each (RFC 6455 §5.3).",
        ),
        Case(([],), "nothing to send", "No frame, so no key is drawn."),
    ),
    make=lambda c: (c.some(0, 4, lambda: c.text(0, 4)),),
    hints=(
        "How often is `random_bytes` called, for three texts?",
        "Call it inside of the comprehension.",
    ),
    wrong=(
        Wrong(
            "a fresh key",
            whole="""
                from goim_edu.protocol import build_frame

                def send_all(texts, random_bytes):
                    keys = random_bytes(4)
                    return [build_frame(text, mask_key=keys) for text in texts]
            """,
            tip="the key is drawn once, before the first frame, and used for all.",
        ),
        Wrong(
            "masked, with a key of four bytes",
            "mask_key=random_bytes(4)",
            "mask_key=bytes(4)",
            tip="the key is 00 00 00 00 each time: that masks nothing, and anybody can predict it.",
        ),
        Wrong(
            "masked, with a key of four bytes",
            "mask_key=random_bytes(4)",
            "mask_key=random_bytes(1) * 4",
            tip="the key is one byte four times over; there are only 256 such keys.",
        ),
        Wrong(
            "masked, with a key of four bytes",
            ", mask_key=random_bytes(4)",
            "",
            tip="the frames are not masked at all. A server closes the connection then (§5.1).",
        ),
    ),
    after="The package draws its keys from `os.urandom`.",
)

_WHY = Predict(
    id="04.9",
    title="What is it good for?",
    statement="The notes call the masking key an encryption key. What is masking really for?",
    options=(
        Option(
            "Nobody on the way can read the messages.",
            """The key stands in the frame, right before the payload. For secrecy there is TLS
                (`wss://`).""",
        ),
        Option(
            "The receiver notices when a bit was damaged on the way.",
            """There is no checksum in it: a damaged bit is unmasked to another damaged bit.
                TCP checks for damage.""",
        ),
        Option(
            "A script in a page cannot choose the bytes that a client writes on the wire.",
            """So it cannot make an old proxy in between take them for an HTTP request and
                poison its cache.""",
            right=True,
        ),
        Option(
            "Messages compress better.",
            """On the contrary: masked bytes look random. That is why a message is compressed
                first and masked last (RFC 7692 §6).""",
        ),
    ),
    source="RFC 6455 §10.3 tells the attack, §5.3 asks for keys that cannot be predicted.",
    hints=(
        "Only clients mask. Who writes the code that runs in a browser?",
        "Think of a proxy that knows HTTP only, and of a page that sends `GET /script.js ...`.",
    ),
)

EXERCISES: tuple[Exercise, ...] = (
    _ONE_BYTE,
    _APPLY_MASK,
    _ZEROS,
    _PIECE,
    _AS_NUMBER,
    _STEPS,
    _FIND_KEY,
    _FRESH_KEYS,
    _WHY,
)
