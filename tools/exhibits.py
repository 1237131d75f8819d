"""What the gallery shows: each picture of the course, made of real frames, captures and documents.

To add one, append an ``Exhibit`` to ``EXHIBITS``: a function that returns a picture, or one that
returns a PNG for a theme (that is how a widget in a browser gets in). Then look at what comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import bson
import pymongo

from goim_edu import draw
from goim_edu.capture import Capture, Record
from goim_edu.draw import Picture
from goim_edu.errors import HandshakeError
from goim_edu.lab.bench_figures import measured
from goim_edu.lab.interleavings import Rules, explore, writers
from goim_edu.lab.news import Lane
from goim_edu.lab.sharding import ShardedModel
from goim_edu.mongod import Command, LocalMongod, find_mongod
from goim_edu.websocket.close import build_close
from goim_edu.websocket.deflate import DeflateConfig, DeflateParams, PerMessageDeflate
from goim_edu.websocket.frames import Frame, Opcode, build_frame
from goim_edu.websocket.handshake import (
    ExtensionOffer,
    Request,
    accept_response,
    build_request,
    check_request,
    error_response,
    parse_request,
)
from goim_edu.websocket.heartbeat import Verdict

__all__ = ["EXHIBITS", "Exhibit", "Shot", "heartbeat"]

Shot = Callable[[str], bytes]
"""The theme, ``"light"`` or ``"dark"``, to a PNG."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One thing to show.

    Attributes:
        name: of its files.
        title: above it.
        how: the call that makes it.
        make: gives a picture, or a function from theme to PNG.
        missing: says what has to be installed for it, or nothing if it can be made.
    """

    name: str
    title: str
    how: str
    make: Callable[[], Picture | Shot]
    missing: Callable[[], str] = lambda: ""


# ---------------------------------------------------------------------- what they are made of

KEY: Final = bytes.fromhex("37fa213d")  # the masking key of the examples in RFC 6455 §5.7
REQUEST: Final = build_request(
    "127.0.0.1:8765",
    "/chat",
    "dGhlIHNhbXBsZSBub25jZQ==",
    subprotocols=["goim.v1.json", "goim.v1.bson"],
    extensions=[ExtensionOffer("permessage-deflate", (("client_max_window_bits", None),))],
    origin="http://127.0.0.1:8765",
    headers=[("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/144.0")],
)
FIRST: Final = b'{"type":"send","room_id":"lobby","client_msg_id":"m1","text":"Hello"}'
SECOND: Final = b'{"type":"send","room_id":"lobby","client_msg_id":"m2","text":"Hello, Lisa"}'


def parsed(request: bytes = REQUEST) -> Request:
    found = parse_request(request)
    if found is None:
        raise ValueError("the request is cut")
    return found[0]


def good_handshake() -> Picture:
    return draw.handshake(REQUEST, accept_response(parsed(), "goim.v1.json"))


def refused_handshake() -> Picture:
    request = REQUEST.replace(b"Version: 13", b"Version: 8")
    try:
        check_request(parsed(request))
    except HandshakeError as error:
        return draw.handshake(request, error_response(error))
    raise ValueError("version 8 was not refused")


def compressed(history: bool) -> Picture:
    sender = PerMessageDeflate(DeflateParams(), False, DeflateConfig())
    first = sender.compress(FIRST)
    if history:
        return draw.compression(sender.compress(SECOND), history=FIRST)
    return draw.compression(first)


def fragments() -> Picture:
    data = "Hello, 世界! One message in four frames.".encode()
    return draw.fragments(
        [
            Frame(Opcode.TEXT, data[:8], False, KEY),
            Frame(Opcode.CONTINUATION, data[8:16], False, KEY),
            Frame(Opcode.PING, b"hb1", True, KEY),
            Frame(Opcode.CONTINUATION, data[16:28], False, KEY),
            Frame(Opcode.CONTINUATION, data[28:], True, KEY),
        ]
    )


def broken_fragments() -> Picture:
    return draw.fragments(
        [
            Frame(Opcode.TEXT, b"the start of one", False, KEY),
            Frame(Opcode.TEXT, b"another one", True, KEY),
        ]
    )


def one_client() -> Capture:
    capture = Capture()
    tap = capture.tap(1)
    answer = accept_response(parsed(), "goim.v1.json").to_bytes()
    tap("in", 0.0, REQUEST)
    tap("out", 0.000_412, answer)
    tap("in", 0.001_3, build_frame('{"type":"hello","user_id":"lisa"}', mask_key=KEY))
    tap("out", 0.001_702, build_frame('{"type":"welcome","session_id":"s1"}'))
    tap("in", 2.517, build_frame(FIRST.decode(), mask_key=KEY))
    tap("out", 2.519_4, build_frame('{"type":"ack","room_id":"lobby","seq":7}'))
    tap("out", 20.0004, build_frame(b"hb1", Opcode.PING))
    tap("in", 20.000_9, build_frame(b"hb1", Opcode.PONG, mask_key=KEY))
    tap("in", 21.3, build_frame(build_close(1000, "bye"), Opcode.CLOSE, mask_key=KEY))
    tap("out", 21.300_2, build_frame(build_close(1000, "bye"), Opcode.CLOSE))
    return capture


def three_clients() -> Picture:
    capture = Capture()
    answer = accept_response(parsed(), "goim.v1.json").to_bytes()
    for number in (1, 2, 3):
        capture.tap(number)("in", number * 0.01, REQUEST)
        capture.tap(number)("out", number * 0.01 + 0.0004, answer)
    capture.tap(2)("in", 0.05, build_frame("hello, all of you", mask_key=KEY))
    for number in (1, 2, 3):
        capture.tap(number)("out", 0.0512 + number * 0.00003, build_frame("hello, all of you"))
    capture.tap(3)("in", 0.06, build_frame("a frame without a mask"))
    reason = "the client did not mask a frame"
    capture.tap(3)("out", 0.0601, build_frame(build_close(1002, reason), Opcode.CLOSE))
    return draw.conversation(capture, names={1: "lisa", 2: "tom", 3: "mallory"})


def masking_raced() -> Picture:
    sizes = (16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576)
    ways = {  # seconds for each call and for each byte, of the usual size
        "loop over bytes": (4e-7, 5e-8),
        "one number": (3.5e-7, 4.5e-10),
        "four translates": (1.6e-6, 1.3e-9),
        "NumPy": (2.2e-6, 6e-11),
    }
    times = {name: [(n, call + n * byte) for n in sizes] for name, (call, byte) in ways.items()}
    return draw.growth(times, title="How long masking takes", across="bytes of payload")


def heartbeat() -> Picture:
    slow = {8: 0.0021, 9: 0.0016}
    pings: list[tuple[float, float | None]] = [
        (2.0 * n, None if n in (15, 25, 26) else slow.get(n, 0.0004 + n * 7 % 11 / 40_000))
        for n in range(27)
    ]
    late, silent = (33.5, Verdict.WE_WERE_LATE), (60.0, Verdict.SILENT)
    return draw.round_trips(pings, verdicts=[late, silent])


DOCUMENT: Final = {
    "_id": bson.ObjectId("6923c1d09d3e4f5a6b7c8d9e"),
    "room_id": "lobby",
    "seq": 7,
    "user_id": "lisa",
    "text": "Hello, 世界!",
    "created_at": bson.datetime_ms.DatetimeMS(1_763_949_360_249),
    "read_by": ["tom", {"user_id": "ann", "seq": 2**33}],
}


def damaged_document() -> Picture:
    data = bytearray(bson.encode(DOCUMENT))
    data[data.index(b"user_id") - 1] = 0x55
    return draw.bson_document(bytes(data))


def object_ids() -> Picture:
    ids = ("6923c1d09d3e4f5a6b7c8d9e", "6923c1d09d3e4f5a6b7c8d9f", "6923c1d45f22b0c25ea99fe0")
    return draw.object_id(*ids)


def plans() -> Picture:
    """Ask a real mongod, without and with an index."""
    find = {"find": "messages", "filter": {"room_id": "room7"}, "sort": {"seq": -1}, "limit": 20}
    with (
        LocalMongod(temporary=True) as mongod,
        pymongo.MongoClient[dict[str, Any]](mongod.uri) as client,
    ):
        database = client["gallery"]
        database["messages"].insert_many(
            {"room_id": f"room{n % 100}", "seq": n // 100} for n in range(50_000)
        )
        without = database.command("explain", find, verbosity="executionStats")
        database["messages"].create_index([("room_id", 1), ("seq", 1)], name="room_seq")
        with_it = database.command("explain", find, verbosity="executionStats")
    return draw.scans({"no index": without, "with the index room_seq": with_it})


def roles() -> Picture:
    def at(time: float) -> dict[str, str]:
        old = "PRIMARY" if time < 3.2 else "DOWN" if time < 9 else "STARTUP2"
        return {
            "127.0.0.1:27101": old if time < 9.8 else "SECONDARY",
            "127.0.0.1:27102": "SECONDARY" if time < 5.7 else "PRIMARY",
            "127.0.0.1:27103": "SECONDARY",
        }

    return draw.replica_roles([(n / 10, at(n / 10)) for n in range(130)], marks=[(3.2, "kill -9")])


def queues() -> Picture:
    bound = 256 * 1024
    steps = [n / 10 for n in range(60)]
    return draw.queue_bytes(
        {
            "quick": [(t, int(t * 10) * 977 % 3000) for t in steps],
            "stalled": [(t, min(int(t * 90_000), bound)) for t in steps if t < 3] + [(3.1, 0)],
            "phone": [(t, int(abs(t % 2 - 0.3) * 40_000)) for t in steps],
        },
        bound=bound,
        marks=[(3.1, "closed with 1013")],
    )


def four_ways() -> Picture:
    """Four ways to hear of five messages; the sizes are those of chapter 01, the times are not."""
    moments = [0.33, 0.95, 1.1, 2.31, 2.7]

    def lane(way: str, asked: list[float], told: list[float], ask: int, tell: int) -> Lane:
        records = [Record(1, "in", at, bytes(ask)) for at in asked]
        records += [Record(1, "out", at, bytes(tell)) for at in told]
        late = [next(at for at in told if at >= moment) - moment for moment in moments]
        return Lane(way, sorted(records, key=lambda record: record.time), late)

    polls = [number * 0.2 for number in range(16)]
    at_once = [moment + 0.002 for moment in moments]
    again = [0.0, *(at + 0.003 for at in at_once[:-1])]
    lanes = [
        lane("polling", polls, [at + 0.001 for at in polls], 160, 135),
        lane("long polling", again, at_once, 170, 140),
        lane("event stream", [0.0], [0.001, *at_once], 190, 40),
        lane("WebSocket", [0.0], [0.001, *at_once], 260, 30),
    ]
    return draw.traffic(lanes, moments)


def group_commit() -> Picture:
    def took(began: float) -> Command:
        return Command("insert", {}, 1, began, 0.0018)

    alone = [took(number * 0.0019) for number in range(20)]
    return draw.trips({"one by one": alone, "in groups": [took(0.0)]})


def sharded() -> Picture:
    model = ShardedModel("created_at", most=100)
    model.insert_many({"created_at": second} for second in range(900))
    model.balance()
    model.insert_many({"created_at": second} for second in range(900, 1000))
    return model.draw(last=True)


def two_servers() -> Picture:
    found = explore(writers([["a1", "a2"], ["b1"]], Rules(numbers="counter")))
    return draw.story(found.steps, end=found.wrong or "", title="A counter, and two servers")


def no_mongod() -> str:
    return "" if find_mongod() else "a mongod: pip install 'goim-edu[mongod]'"


MASKED: Final = build_frame("Hello", mask_key=KEY)
EXHIBITS: Final[list[Exhibit]] = [
    Exhibit("frame", "A frame, bit by bit", "draw.frame(data)", lambda: draw.frame(MASKED)),
    Exhibit(
        "frame-in-part",
        "The same frame while a lesson builds it up",
        'draw.frame(data, only=("FIN", "opcode"))',
        lambda: draw.frame(MASKED, only=("FIN", "opcode")),
    ),
    Exhibit(
        "frame-broken",
        "A broken frame and the verdict on it",
        "draw.frame(data)",
        lambda: draw.frame(bytes.fromhex("c10548656c6c6f")),
    ),
    Exhibit(
        "handshake", "The opening handshake", "draw.handshake(request, response)", good_handshake
    ),
    Exhibit(
        "handshake-refused",
        "A handshake that is refused",
        "draw.handshake(request, response)",
        refused_handshake,
    ),
    Exhibit(
        "accept-chain",
        "How Sec-WebSocket-Accept is made",
        "draw.accept_chain(key)",
        lambda: draw.accept_chain("dGhlIHNhbXBsZSBub25jZQ=="),
    ),
    Exhibit(
        "masking",
        "Masking as XOR",
        "draw.masking(payload, mask_key)",
        lambda: draw.masking("Hello!", KEY),
    ),
    Exhibit("fragments", "Fragments join into a message", "draw.fragments(frames)", fragments),
    Exhibit(
        "fragments-broken", "Fragments out of order", "draw.fragments(frames)", broken_fragments
    ),
    Exhibit(
        "conversation",
        "A conversation with its real times",
        "draw.conversation(capture)",
        lambda: draw.conversation(one_client()),
    ),
    Exhibit(
        "conversation-fan-out",
        "One message to three clients",
        "draw.conversation(capture, names={1: 'lisa', 2: 'tom', 3: 'mallory'})",
        three_clients,
    ),
    Exhibit(
        "growth",
        "How the time grows, for four ways to mask",
        "draw.growth({'per byte': [(16, 1.2e-6), ...], ...}, across='bytes of payload')",
        masking_raced,
    ),
    Exhibit(
        "bars",
        "Several that do the same task",
        "draw.bars({'echo, 32 B': {'goim_edu': [79e3, 81e3], ...}}, ours=['goim_edu'])",
        lambda: measured("echo"),
    ),
    Exhibit(
        "round-trips",
        "Round trips and verdicts",
        "draw.round_trips(pings, verdicts=verdicts)",
        heartbeat,
    ),
    Exhibit(
        "compression",
        "A compressed message",
        "draw.compression(payload)",
        lambda: compressed(history=False),
    ),
    Exhibit(
        "compression-takeover",
        "A compressed message that copies from the one before",
        "draw.compression(payload, history=before)",
        lambda: compressed(history=True),
    ),
    Exhibit(
        "bson-document",
        "A BSON document, byte by byte",
        "draw.bson_document(document)",
        lambda: draw.bson_document(DOCUMENT),
    ),
    Exhibit(
        "bson-damaged", "A damaged BSON document", "draw.bson_document(data)", damaged_document
    ),
    Exhibit("object-ids", "ObjectIds taken apart", "draw.object_id(*ids)", object_ids),
    Exhibit(
        "scans",
        "A collection scan and an index scan",
        "draw.scans({'no index': explain1, 'with the index room_seq': explain2})",
        plans,
        no_mongod,
    ),
    Exhibit(
        "replica-roles", "A primary is killed", "draw.replica_roles(samples, marks=marks)", roles
    ),
    Exhibit("queue-bytes", "Slow readers", "draw.queue_bytes(samples, bound=bound)", queues),
    Exhibit("traffic", "Four ways to hear news", "draw.traffic(lanes, moments)", four_ways),
    Exhibit(
        "trips",
        "Messages stored one by one, and in groups",
        "draw.trips({'one by one': commands, 'in groups': commands})",
        group_commit,
    ),
    Exhibit("story", "A counter, and two servers", "draw.story(found.steps)", two_servers),
    Exhibit("shards", "A shard key that only grows", "model.draw(last=True)", sharded),
]
