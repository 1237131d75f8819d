"""Compressed messages: never more octets than the budget, and the same as zlib makes of them.

The first octet holds the flags, the second says how a message is cut, the third the budget.
"""

from __future__ import annotations

import zlib

from goim_edu.errors import RemoteProtocolError
from goim_edu.websocket.deflate import DeflateConfig, DeflateParams, PerMessageDeflate

TAIL = b"\x00\x00\xff\xff"
CONFIG = DeflateConfig(max_members=8)


def inflate(side: PerMessageDeflate, pieces: list[bytes], budget: int) -> bytes | None:
    """The message, or None if it is refused."""
    data = b""
    for number, piece in enumerate(pieces, 1):
        try:
            data += side.decompress(piece, number == len(pieces), budget - len(data))
        except RemoteProtocolError as error:
            if error.close_code not in (1007, 1008, 1009):
                raise
            return None
        if len(data) > budget:
            raise AssertionError(f"{len(data)} octets, {budget} were allowed")
    return data


def check(data: bytes) -> None:
    """Try one input; any exception is a find."""
    if len(data) < 4:
        return
    forgetful, size, budget, wire = bool(data[0] & 1), data[1] + 1, data[2] * 64, data[3:]
    params = DeflateParams(forgetful, forgetful, 9 + data[0] % 7, 15)
    pieces = [wire[start : start + size] for start in range(0, len(wire), size)]
    side = PerMessageDeflate(params, True, CONFIG)
    message = inflate(side, pieces, budget)
    if message is None:
        return
    if inflate(PerMessageDeflate(params, True, CONFIG), [wire], budget) != message:
        raise AssertionError("cut differently, it came out differently")
    reference = zlib.decompressobj(-15)
    expected = reference.decompress(wire + TAIL)
    if not (message == expected if not reference.eof else message.startswith(expected)):
        raise AssertionError(f"{message!r}, zlib says {expected!r}")
    if forgetful and inflate(side, [bytes.fromhex("f248cdc9c90700")], 5) != b"Hello":
        raise AssertionError("the next message came out differently")
    check_round_trip(params, message)


def check_round_trip(params: DeflateParams, message: bytes) -> None:
    """What we compress, we inflate, twice."""
    server, client = (PerMessageDeflate(params, server) for server in (True, False))
    for _ in range(2):
        if client.decompress(server.compress(message), True, len(message)) != message:
            raise AssertionError("a round trip changed the message")


SEEDS = [
    b"\x00\x02\x40" + bytes.fromhex("f248cdc9c90700"),
    b"\x01\xff\x40" + bytes.fromhex("f348cdc9c9070000"),
    b"\x00\xff\x40" + bytes.fromhex("f24805000000ffffcac9c90700"),
    b"\x00\xff\x40" + bytes.fromhex("000500faff48656c6c6f00"),
    b"\x00\x01\x40" + bytes.fromhex("0300") * 4,
    b"\x02\x03\xff" + zlib.compress(b"abcabcabd" * 400, 9)[2:-4],
]
