"""Exercises of chapter 04: masking (RFC 6455 §5.3, §10.3)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Function, Measure, Predict
from goim_edu.feedback.wording import show
from goim_edu.websocket.explain import Field
from goim_edu.websocket.frames import apply_mask, build_frame

_KEY: Final = bytes.fromhex("37 fa 21 3d")


def _four(c: Choices) -> bytes:
    return bytes(c.integer(0, 255) for _ in range(4))


def _bytes_of_payload(data: bytes) -> list[Field]:
    return [Field(f"payload byte {index}", 8 * index, 8) for index in range(len(data))]


_ONE_BYTE = Predict(
    id="04.1", answer="0x9f", same=("9f", "10011111"), experiment="hex(0x65 ^ 0xfa)"
)


def apply_mask_by_byte(payload: bytes, mask_key: bytes) -> bytes:
    """Mask or unmask, byte by byte (RFC 6455 §5.3)."""
    return bytes(byte ^ mask_key[i % 4] for i, byte in enumerate(payload))


_APPLY_MASK = Function(
    id="04.2",
    serves=True,
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
        (b"Hello", _KEY),
        (bytes.fromhex("7f 9f 4d 51 58"), _KEY),
        (b"", _KEY),
        (b"abcdefghijkl", _KEY),
        (bytes([0xFF] * 6), bytes([1, 2, 4, 8])),
        (b"Hello", bytes([1, 2, 4, 8])),
    ),
    make=lambda c: (c.octets(0, c.pick((30, 600))), _four(c)),
    wrong=(
        ("mask_key[i % 4]", "mask_key[0]"),
        ("mask_key[i % 4]", "mask_key[i]"),
        ("byte ^ mask_key", "byte | mask_key"),
        ("i % 4", "i % 3"),
        ("byte ^ mask_key[i % 4]", "(byte + mask_key[i % 4]) % 256"),
    ),
)

_ZEROS = Predict(
    id="04.3",
    answer="37 fa 21 3d 37",
    experiment="""
        from goim_edu.protocol import apply_mask
        apply_mask(bytes(5), bytes.fromhex("37 fa 21 3d")).hex(" ")
    """,
)


def unmask_piece(piece: bytes, mask_key: bytes, position: int) -> bytes:
    """Unmask a piece of a payload that begins at ``position`` of it."""
    return bytes(byte ^ mask_key[(position + i) % 4] for i, byte in enumerate(piece))


_PIECE = Function(
    id="04.4",
    starter="""
        def unmask_piece(piece, mask_key, position):
            return bytes(byte ^ mask_key[i % 4] for i, byte in enumerate(piece))
    """,
    reference=unmask_piece,
    fields=_bytes_of_payload,
    cases=(
        (bytes.fromhex("7f 9f"), _KEY, 0),
        (bytes.fromhex("4d 51 58"), _KEY, 2),
        (bytes.fromhex("58"), _KEY, 4),
        (bytes.fromhex("00 00 00 00 00"), _KEY, 1_000_003),
        (b"", _KEY, 3),
        (bytes.fromhex("7f 9f"), _KEY, 2),
    ),
    make=lambda c: (c.octets(0, c.pick((12, 600))), _four(c), c.integer(0, 1000)),
    wrong=(
        ("position + i", "i"),
        ("(position + i)", "(i + (1 if position else 0))"),
        ("(position + i) % 4", "(i - position) % 4"),
        ("(position + i) % 4", "position + i % 4"),
    ),
)


def apply_mask_as_number(payload: bytes, mask_key: bytes) -> bytes:
    """Mask all bytes at once: payload and key as two huge numbers."""
    size = len(payload)
    keys = (mask_key * (size // 4 + 1))[:size]
    number = int.from_bytes(payload, "little") ^ int.from_bytes(keys, "little")
    return number.to_bytes(size, "little")


_AS_NUMBER = Function(
    id="04.5",
    serves=True,
    kind="mend",
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
        (b"Hell", _KEY),
        (b"Hello", _KEY),
        (b"H", _KEY),
        (b"", _KEY),
        (b"Hello" + _KEY[1:] + _KEY, _KEY),
        (b"Hello", bytes([1, 2, 4, 8])),
    ),
    make=lambda c: (c.octets(0, c.pick((70, 600))), _four(c)),
    wrong=(
        ("[:size]", ""),
        ("(mask_key * (size // 4 + 1))[:size]", '(mask_key * (size // 4)).ljust(size, b"\\0")'),
        ("number.to_bytes(size", "number.to_bytes((number.bit_length() + 7) // 8"),
        ("[:size]", "[-size:]", '"little"', '"big"'),
    ),
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
    starter="""
        from goim_edu.exercises.chapter_04 import count_steps

        def apply_mask(payload, mask_key):
            return bytes(byte ^ mask_key[i % 4] for i, byte in enumerate(payload))

        print(count_steps(apply_mask, bytes(40), b"abcd"))
        print(count_steps(apply_mask, bytes(4000), b"abcd"))
        answer = apply_mask
    """,
    solved="""
        def apply_mask(payload, mask_key):
            size = len(payload)
            keys = (mask_key * (size // 4 + 1))[:size]
            number = int.from_bytes(payload, "little") ^ int.from_bytes(keys, "little")
            return number.to_bytes(size, "little")

        answer = apply_mask
    """,
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
)

# ---------------------------------------------------------------------- 04.7


def find_key(masked: bytes, known: bytes) -> bytes:
    """The masking key, from the first four bytes of a payload that one can guess."""
    return bytes(one ^ other for one, other in zip(masked[:4], known[:4], strict=True))


_FIND_KEY = Function(
    id="04.7",
    starter="""
        def find_key(masked, known):
            return ...
    """,
    reference=find_key,
    fields=lambda data: [Field(f"key byte {index}", 8 * index, 8) for index in range(4)],
    cases=(
        (bytes.fromhex("7f 9f 4d 51 58"), b"Hello"),
        (apply_mask(b'{"type":"hello"}', bytes.fromhex("01 02 03 04")), b'{"type"'),
        (b"abcd", b"abcd"),
        (bytes.fromhex("7f 9f 4d 51 58"), b"World"),
    ),
    make=lambda c: (c.octets(4, 20), c.octets(4, 8)),
    wrong=(
        ("one ^ other", "one & other"),
        ("one ^ other", "(one - other) % 256"),
        ("zip(masked[:4], known[:4], strict=True)", "zip(masked, known)"),
    ),
)

# ---------------------------------------------------------------------- 04.8


def send_all(texts: list[str], random_bytes: Callable[[int], bytes]) -> list[bytes]:
    """A client's text frames, each masked with a key of its own (RFC 6455 §5.3)."""
    return [build_frame(text, mask_key=random_bytes(4)) for text in texts]


def _with_a_counter(function: Callable[..., Any], texts: list[str]) -> Any:
    """Call it with a source whose bytes are known: 0, 1, 2, ..."""
    drawn = 0

    def random_bytes(size: int) -> bytes:
        nonlocal drawn
        drawn += size
        return bytes(index % 256 for index in range(drawn - size, drawn))

    return function(texts, random_bytes)


_FRESH_KEYS = Function(
    id="04.8",
    kind="mend",
    needs="from goim_edu.protocol import build_frame",
    starter="""
        def send_all(texts, random_bytes):
            mask_key = random_bytes(4)
            return [build_frame(text, mask_key=mask_key) for text in texts]
    """,
    reference=send_all,
    drive=_with_a_counter,
    usage="send_all({0}, random_bytes)",
    cases=((["Hi"],), (["Hi", "Hi"],), ([],)),
    make=lambda c: (c.some(0, 4, lambda: c.text(0, 4)),),
    wrong=(
        (
            "return [",
            "keys = random_bytes(4)\n    return [",
            "mask_key=random_bytes(4)",
            "mask_key=keys",
        ),
        ("mask_key=random_bytes(4)", "mask_key=bytes(4)"),
        ("mask_key=random_bytes(4)", "mask_key=random_bytes(1) * 4"),
        (", mask_key=random_bytes(4)", ""),
    ),
)

_WHY = Predict(id="04.9", right="c")
