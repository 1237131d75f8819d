"""What hypothesis draws for the protocol: frames, messages, streams, cuts and damage."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st

from goim_edu.websocket.close import build_close
from goim_edu.websocket.frames import Opcode, build_frame

# No deadline: a busy machine is no bug.
settings.register_profile("protocol", deadline=None, max_examples=100)
settings.load_profile("protocol")

KEYS = st.binary(min_size=4, max_size=4)
SIZES = st.one_of(st.integers(0, 20), st.sampled_from([124, 125, 126, 127, 1023, 1024, 1500]))
CONTROL = st.sampled_from([Opcode.PING, Opcode.PONG])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data in pieces, cut at these places; the pieces joined are the data."""
    bounds = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


CUTS = st.lists(st.integers(0, 1 << 20), max_size=12)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Short texts of any characters, and long ones of one."""
    if draw(st.booleans()):
        return draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
    return draw(st.sampled_from("xé消😀")) * draw(SIZES)


@st.composite
def messages(draw: st.DrawFn) -> str | bytes:
    return draw(texts()) if draw(st.booleans()) else draw(st.binary(max_size=40))


@st.composite
def fragments(draw: st.DrawFn, message: str | bytes, masked: bool) -> list[bytes]:
    """The frames of one message: one or several, control frames in between."""
    octets = message.encode() if isinstance(message, str) else message
    opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
    pieces = cut(octets, draw(st.lists(st.integers(0, 1 << 20), max_size=3)))
    frames = []
    for number, piece in enumerate(pieces):
        key = draw(KEYS) if masked else None
        kind = opcode if number == 0 else Opcode.CONTINUATION
        frames.append(build_frame(piece, kind, number == len(pieces) - 1, key))
        if draw(st.integers(0, 5)) == 0:
            key = draw(KEYS) if masked else None
            frames.append(build_frame(draw(st.binary(max_size=8)), draw(CONTROL), mask_key=key))
    return frames


@st.composite
def streams(draw: st.DrawFn, masked: bool = True, *, with_close: bool = True) -> bytes:
    """A valid stream of one side: messages, control frames, perhaps a Close, and a cut end."""
    frames: list[bytes] = []
    for message in draw(st.lists(messages(), max_size=6)):
        frames += draw(fragments(message, masked))
    many = draw(st.integers(0, 30))  # so that the bulk paths have something to do
    text = draw(texts())[:200]
    for _ in range(many):
        frames.append(build_frame(text, mask_key=draw(KEYS) if masked else None))
    if with_close and draw(st.booleans()):
        body = build_close(draw(st.sampled_from([1000, 1001, 3000, 4999, 1005])))
        frames.append(build_frame(body, Opcode.CLOSE, mask_key=draw(KEYS) if masked else None))
    stream = b"".join(frames)
    return stream[: draw(st.integers(0, len(stream)))] if draw(st.booleans()) else stream


@st.composite
def damaged(draw: st.DrawFn, masked: bool = True) -> bytes:
    """A valid stream in which some octets were changed, put in or taken out."""
    stream = bytearray(draw(streams(masked)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(stream)))
        how = draw(st.integers(0, 2))
        if how == 0 and place < len(stream):
            stream[place] ^= 1 << draw(st.integers(0, 7))
        elif how == 1:
            stream[place:place] = draw(st.binary(min_size=1, max_size=6))
        else:
            del stream[place : place + draw(st.integers(1, 6))]
    return bytes(stream)
