"""Hostile clients, as a process: ``python -m tests.attackers PORT SECONDS DRIPS [NAME]``.

Every attack runs again and again until the time is up, all of them at once, or the one that is
named, beside that many slow drips. What the server does
to them does not matter here; it may refuse, close or cut them off.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import zlib
from collections.abc import Awaitable, Callable

from goim_edu.websocket.frames import Opcode, build_frame
from tests.chatting import KEY, RawClient, upgrade

Attack = Callable[[int], Awaitable[None]]

UNMASKED = build_frame("no mask")
GIANT = bytes.fromhex("82ff7fffffffffffffff37fa213d")  # announces 2**63 - 1 octets
RESERVED = bytes.fromhex("838037fa213d")  # opcode 3
LONG_PING = bytes.fromhex("89fe007e37fa213d") + bytes(126)
CUT_CLOSE = build_frame(b"\x03", Opcode.CLOSE, mask_key=KEY)
NO_UTF8 = build_frame(b"\xff\xfe", Opcode.TEXT, mask_key=KEY)
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"


def make_bomb(size: int = 100 << 20) -> bytes:
    """A frame of some 100 KB that wants to become 100 MB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(size)) + packer.flush(zlib.Z_SYNC_FLUSH)
    return build_frame(packed[:-4], Opcode.BINARY, mask_key=KEY, rsv1=True)


BOMB = make_bomb()


async def slow_drip(port: int) -> None:
    """An opening handshake, one octet now and then."""
    client = await RawClient.come(port, None)
    for octet in upgrade(port, "/echo")[:-2]:
        client.send(bytes([octet]))
        await client.writer.drain()
        await asyncio.sleep(random.random())


async def header_flood(port: int) -> None:
    """A head that does not end."""
    client = await RawClient.come(port, None)
    client.send(b"GET / HTTP/1.1\r\n")
    for _ in range(1000):
        client.send(b"X-Flood: yes\r\n" * 100)
        await client.writer.drain()
        await asyncio.sleep(0.001)


async def ping_flood(port: int) -> None:
    """Some 25,000 pings a second."""
    client = await RawClient.come(port)
    client.reader._limit = 1 << 30  # type: ignore[attr-defined] # it reads none of the pongs
    while True:
        client.send(build_frame(b"?", Opcode.PING, mask_key=KEY) * 250)
        await client.writer.drain()
        await asyncio.sleep(0.01)


async def tiny_frames(port: int) -> None:
    """20,000 tiny frames a second to the echo."""
    client = await RawClient.come(port)
    while True:
        client.send(build_frame("x", mask_key=KEY) * 200)
        await client.writer.drain()
        await asyncio.sleep(0.01)


async def chat_flood(port: int) -> None:
    """20,000 requests a second to the chat."""
    client = await RawClient.come(port, "/chat", "Sec-WebSocket-Protocol: goim.v1.json")
    client.send_text('{"type":"hello","user_id":"eve"}')
    while True:
        client.send(build_frame('{"type":"typing","room_id":"r"}', mask_key=KEY) * 200)
        await client.writer.drain()
        await asyncio.sleep(0.01)


async def fragments(port: int) -> None:
    """A message of empty fragments that does not end."""
    client = await RawClient.come(port)
    client.send(build_frame(b"", Opcode.TEXT, False, KEY))
    while True:
        client.send(build_frame(b"", Opcode.CONTINUATION, False, KEY) * 200)
        await client.writer.drain()
        await asyncio.sleep(0.01)


async def bomb(port: int) -> None:
    """100 MB in 100 KB, once a second."""
    client = await RawClient.come(port, "/echo", DEFLATE)
    client.send(BOMB)
    await client.read_all()
    await asyncio.sleep(1)


def once(data: bytes) -> Attack:
    """Octets that break a rule."""

    async def attack(port: int) -> None:
        client = await RawClient.come(port)
        client.send(data)
        await client.read_all()

    return attack


async def garbage(port: int) -> None:
    """No HTTP at all."""
    client = await RawClient.come(port, None)
    client.send(random.randbytes(5000))
    await client.read_all()


async def deaf(port: int) -> None:
    """Asks for much and reads nothing."""
    client = await RawClient.come(port)
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    while True:
        client.send(build_frame("x" * 50_000, mask_key=KEY))
        await client.writer.drain()
        await asyncio.sleep(0.01)


FLOODS: list[Attack] = [
    header_flood,
    ping_flood,
    tiny_frames,
    chat_flood,
    fragments,
    bomb,
    garbage,
    deaf,
]
BROKEN = {
    "unmasked": UNMASKED,
    "giant": GIANT,
    "reserved": RESERVED,
    "long_ping": LONG_PING,
    "cut_close": CUT_CLOSE,
    "no_utf8": NO_UTF8,
}
ATTACKS: dict[str, Attack] = {attack.__name__: attack for attack in FLOODS} | {
    name: once(data) for name, data in BROKEN.items()
}


async def again(attack: Attack, port: int) -> None:
    """Attack, and attack again."""
    while True:
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            await attack(port)
        await asyncio.sleep(0.1)


async def main(port: int, seconds: float, drips: int, only: str = "") -> None:
    """All attacks at once, or one."""
    attacks = [attack for name, attack in ATTACKS.items() if only in ("", name)]
    tasks = [asyncio.create_task(again(attack, port)) for attack in attacks]
    tasks += [asyncio.create_task(again(slow_drip, port)) for _ in range(drips)]
    print("attacking", flush=True)
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:]))
