"""permessage-deflate: the examples of RFC 7692, each rule of its negotiation, and zip bombs."""

from __future__ import annotations

import time
import tracemalloc
import zlib
from types import SimpleNamespace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim_edu.errors import HandshakeError, RemoteProtocolError
from goim_edu.websocket import deflate
from goim_edu.websocket.deflate import (
    DeflateConfig,
    DeflateParams,
    PerMessageDeflate,
    accept_client,
    deflate_shared,
    negotiate_server,
    offer_client,
)
from goim_edu.websocket.extensions import ExtensionOffer, format_extensions, parse_extensions

LIMIT = 1 << 20
MAXSIZE_32: Final = (1 << 31) - 1
EXAMPLE = bytes(range(256)) * 40  # repeats within any window
PLAIN = DeflateParams()
FORGETFUL = DeflateParams(server_no_context_takeover=True, client_no_context_takeover=True)


def client(params: DeflateParams = PLAIN, config: DeflateConfig | None = None) -> PerMessageDeflate:
    return PerMessageDeflate(params, False, config or DeflateConfig())


def server(params: DeflateParams = PLAIN, config: DeflateConfig | None = None) -> PerMessageDeflate:
    return PerMessageDeflate(params, True, config or DeflateConfig())


def stream(data: bytes, window_bits: int = 15) -> bytes:
    """A whole DEFLATE stream, its last block with BFINAL=1."""
    compressor = zlib.compressobj(wbits=-window_bits)
    return compressor.compress(data) + compressor.flush()


# ---------------------------------------------------------------------- the examples, §7.2.3


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        ("f2 48 cd c9 c9 07 00", b"Hello"),  # §7.2.3.1
        ("00 05 00 fa ff 48 65 6c 6c 6f 00", b"Hello"),  # §7.2.3.3, stored
        ("f3 48 cd c9 c9 07 00 00", b"Hello"),  # §7.2.3.4, BFINAL=1
        ("f2 48 05 00 00 00 ff ff ca c9 c9 07 00", b"Hello"),  # §7.2.3.5, two blocks
        ("00", b""),  # §7.2.3.6
        ("02 00", b""),  # an empty block with fixed codes
    ],
)
def test_the_examples_of_the_rfc(wire: str, text: bytes) -> None:
    for side in (client(), server()):
        for _ in range(3):  # and what comes behind it is not spoilt
            assert side.decompress(bytes.fromhex(wire), True, len(text)) == text


def test_a_message_in_fragments() -> None:
    side = client()
    assert side.decompress(bytes.fromhex("f2 48 cd"), False, 5) == b"He"
    assert side.decompress(bytes.fromhex("c9 c9 07 00"), True, 3) == b"llo"


def test_the_second_message_refers_to_the_first() -> None:
    sender, receiver = server(), client()
    assert sender.compress(b"Hello").hex(" ") == "f2 48 cd c9 c9 07 00"
    assert sender.compress(b"Hello").hex(" ") == "f2 00 11 00 00"
    for wire in ("f2 48 cd c9 c9 07 00", "f2 00 11 00 00"):
        assert receiver.decompress(bytes.fromhex(wire), True, 5) == b"Hello"


def test_no_context_takeover_forgets_each_message() -> None:
    sender, receiver = server(FORGETFUL), client(FORGETFUL)
    for _ in range(2):
        assert sender.compress(b"Hello").hex(" ") == "f2 48 cd c9 c9 07 00"
        assert receiver.decompress(bytes.fromhex("f2 48 cd c9 c9 07 00"), True, 5) == b"Hello"
    with pytest.raises(RemoteProtocolError, match="damaged"):
        receiver.decompress(bytes.fromhex("f2 00 11 00 00"), True, 5)


def test_the_flags_are_each_for_one_direction() -> None:
    params = DeflateParams(server_no_context_takeover=True)
    assert (
        server(params).local_no_context_takeover,
        server(params).remote_no_context_takeover,
    ) == (True, False)
    assert (
        client(params).local_no_context_takeover,
        client(params).remote_no_context_takeover,
    ) == (False, True)


# ---------------------------------------------------------------------- sending and receiving

PIECES = st.lists(st.binary(max_size=300) | st.just(b"Hello, Hello, Hello"), max_size=5)
BITS = st.integers(9, 15)


@given(
    messages=st.lists(PIECES, max_size=6),
    params=st.builds(DeflateParams, st.booleans(), st.booleans(), BITS, st.integers(8, 15)),
    level=st.integers(-1, 9),
    from_server=st.booleans(),
    cut=st.integers(1, 50),
)
def test_every_message_comes_out_as_it_went_in(
    messages: list[list[bytes]], params: DeflateParams, level: int, from_server: bool, cut: int
) -> None:
    config = DeflateConfig(level=level)
    sender = PerMessageDeflate(params, from_server, config)
    receiver = PerMessageDeflate(params, not from_server, config)
    for pieces in messages:
        wire = b"".join(sender.compress(piece, final=False) for piece in pieces)
        wire += sender.compress(b"", final=True)
        data = b""
        for start in range(0, len(wire), cut):
            last = start + cut >= len(wire)
            piece = receiver.decompress(wire[start : start + cut], last, LIMIT - len(data))
            data += piece
        assert data == b"".join(pieces)
        whole = sender.compress(data)
        assert receiver.decompress(whole, True, len(data)) == data


def test_an_empty_message_is_one_octet() -> None:
    for params in (PLAIN, FORGETFUL):
        sender, receiver = server(params), client(params)
        for message in (b"", b"Hello", b"", b"", b"Hello"):
            wire = sender.compress(message)
            assert message or wire == b"\x00"
            assert receiver.decompress(wire, True, 5) == message


def test_a_window_of_256_octets_is_kept_by_not_referring_back() -> None:
    params = DeflateParams(client_max_window_bits=8)
    message = bytes(range(256)) * 20
    wire = client(params).compress(message)
    assert len(wire) > len(message)  # stored
    assert server(params).decompress(wire, True, LIMIT) == message
    assert zlib.decompressobj(-8).decompress(wire + b"\x00\x00\xff\xff") == message


def test_idle_connections_keep_nothing() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        sides = [server() for _ in range(100)]
        assert (tracemalloc.get_traced_memory()[0] - before) / len(sides) < 250
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("bits", "mem_level"), [(15, 8), (12, 5), (9, 1)])
def test_what_a_connection_keeps_is_what_the_documentation_says(bits: int, mem_level: int) -> None:
    config = DeflateConfig(bits, bits, mem_level=mem_level)
    params = DeflateParams(False, False, bits, bits)
    message = client(params).compress(b"Hello" * 20)
    tracemalloc.start()
    try:
        side = PerMessageDeflate(params, server=True, config=config)
        side.decompress(message, True, LIMIT)
        before = tracemalloc.get_traced_memory()[0]
        side.compress(b"Hello")
        compressor = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    said = 2 ** (bits + 2) + 2 ** (mem_level + 9) + 6 * 1024
    assert said - 2048 < compressor < said + 2048
    assert before < 2**bits + 9 * 1024


def test_forgetting_frees_the_memory_in_both_directions() -> None:
    side = server(FORGETFUL)
    side.compress(b"Hello")
    side.compress(b"He", final=False)
    side.compress(b"llo")
    side.decompress(b"\x00", True, 0)
    assert side._compressor is None
    assert side._decompressor is None


def test_shared_bytes_do_for_every_forgetful_receiver() -> None:
    message = b'{"type":"message","text":"Hello, everybody"}' * 30
    for bits in (9, 12, 15):
        params = FORGETFUL._replace(server_max_window_bits=bits)
        receiver = client(params)
        for shared_bits in range(9, bits + 1):
            for data in (message, b"", message):
                shared = deflate_shared(data, shared_bits)
                assert receiver.decompress(shared, True, LIMIT) == data
    assert deflate_shared(message) == server(
        FORGETFUL._replace(server_max_window_bits=12)
    ).compress(message)


# ---------------------------------------------------------------------- BFINAL=1, §7.2.3.4


@pytest.mark.parametrize("params", [PLAIN, FORGETFUL])
@pytest.mark.parametrize(
    "wire",
    [
        stream(b"Hello"),  # ends with its last block, and nothing behind it
        stream(b"Hello") + b"\x00",
        stream(b"Hel") + stream(b"lo"),
        stream(b"Hel") + stream(b"") + stream(b"lo") + b"\x00",
        stream(b"Hel") + bytes.fromhex("f2 48 cd c9 c9 07 00")[:0] + server().compress(b"lo"),
        b"\x00\x05\x00\xfa\xffHello" + b"\x01",  # the tail completes the last block
    ],
)
@pytest.mark.parametrize("cut", [1, 2, 3, 100])
def test_streams_may_end_within_a_message(params: DeflateParams, wire: bytes, cut: int) -> None:
    receiver = client(params)
    for _ in range(3):
        data = b""
        for start in range(0, len(wire), cut):
            data += receiver.decompress(
                wire[start : start + cut], start + cut >= len(wire), 5 - len(data)
            )
        assert data == b"Hello"
        assert receiver.decompress(server().compress(b"Hello"), True, 5) == b"Hello"


def test_members_are_bounded_whatever_the_fragments() -> None:
    config = DeflateConfig(max_members=3)
    assert client(config=config).decompress(stream(b"a") * 3, True, 9) == b"aaa"
    with pytest.raises(RemoteProtocolError, match="more than 3 DEFLATE streams") as caught:
        client(config=config).decompress(stream(b"a") * 4, True, 9)
    assert (caught.value.close_code, caught.value.section) == (1008, "RFC 7692 §7.2.3.4")
    side = client(config=config)
    for _ in range(3):
        side.decompress(stream(b"a"), False, 9)
    with pytest.raises(RemoteProtocolError, match="more than 3 DEFLATE streams"):
        side.decompress(stream(b"a"), False, 9)
    side = client(config=config)
    for _ in range(3):  # the count is for one message
        assert side.decompress(stream(b"a") * 2, True, 9) == b"aa"


def test_many_tiny_members_take_no_quadratic_time() -> None:
    wire = stream(b"") * 500_000
    start = time.perf_counter()
    with pytest.raises(RemoteProtocolError, match="DEFLATE streams"):
        client().decompress(wire, True, LIMIT)
    assert time.perf_counter() - start < 20  # quadratic would be hours


# ---------------------------------------------------------------------- budgets and damage


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("wire", [server().compress(b"Hello"), stream(b"Hel") + stream(b"lo")])
def test_the_budget_is_exact(wire: bytes, final: bool) -> None:
    assert client().decompress(wire, final, 5) == b"Hello"
    for budget in range(5):
        with pytest.raises(RemoteProtocolError, match="grows beyond") as caught:
            client().decompress(wire, final, budget)
        assert (caught.value.close_code, caught.value.section) == (1009, "RFC 6455 §7.4.1")


@pytest.mark.parametrize("members", [1, 60])
def test_a_bomb_does_not_go_off(members: int) -> None:
    bomb = stream(bytes(100_000_000 // members)) * members
    assert len(bomb) < 110_000
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError, match="grows beyond"):
            client().decompress(bomb, True, LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 4 * LIMIT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("wire", [b"\xff", b"\x06\x00", stream(b"Hello") + b"\xff"])
def test_what_is_no_deflate_is_refused(wire: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="damaged") as caught:
        client().decompress(wire, True, LIMIT)
    assert (caught.value.close_code, caught.value.section) == (1007, "RFC 7692 §7.2.2")


def test_a_match_beyond_the_window_is_refused() -> None:
    noise = bytes(i * i * 7919 >> 3 & 0xFF for i in range(2_000))
    wide = server(DeflateParams(server_max_window_bits=15))
    near, far = wide.compress(noise), wide.compress(noise)
    narrow = client(DeflateParams(server_max_window_bits=9))
    assert narrow.decompress(near, True, LIMIT) == noise
    with pytest.raises(RemoteProtocolError, match="damaged"):
        narrow.decompress(far, True, LIMIT)


@given(st.lists(st.tuples(st.binary(max_size=60), st.booleans()), max_size=8))
def test_any_bytes_inflate_within_the_budget_or_are_refused(
    frames: list[tuple[bytes, bool]],
) -> None:
    side = client()
    try:
        for data, final in frames:
            assert len(side.decompress(data, final, 1_000)) <= 1_000
    except RemoteProtocolError as error:
        if error.close_code not in (1007, 1008, 1009):
            raise


# ---------------------------------------------------------------------- negotiation, §7.1


def answer(offers: str, config: DeflateConfig | None = None) -> str | None:
    params, element = negotiate_server(parse_extensions(offers), config or DeflateConfig())
    assert (params is None) == (element is None)
    return None if element is None else format_extensions([element])


TOO_NARROW = "permessage-deflate; server_max_window_bits=8"  # zlib has no such compressor
WIDE = DeflateConfig(server_max_window_bits=15, client_max_window_bits=15)


@pytest.mark.parametrize(
    ("offer", "reply"),
    [
        ("permessage-deflate", "permessage-deflate"),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate",
        ),
        (
            "permessage-deflate; client_max_window_bits=10; server_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10",
        ),
        (
            "permessage-deflate; server_max_window_bits=15",
            "permessage-deflate; server_max_window_bits=15",
        ),
        (
            "permessage-deflate; client_max_window_bits=8",
            "permessage-deflate; client_max_window_bits=8",
        ),
        (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
        (
            'permessage-deflate; server_max_window_bits="10"',
            "permessage-deflate; server_max_window_bits=10",
        ),
        ("x-other, permessage-deflate", "permessage-deflate"),
        # Three offers, of which the last can be taken.
        (
            f"{TOO_NARROW}, permessage-deflate; magic, permessage-deflate",
            "permessage-deflate",
        ),
    ],
)
def test_offers_that_a_server_takes(offer: str, reply: str) -> None:
    assert answer(offer, WIDE) == reply


@pytest.mark.parametrize(
    "offer",
    [
        "x-other",
        "permessage-deflate; magic",
        "permessage-deflate; server_max_window_bits",
        TOO_NARROW,
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits=ten",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
    ],
)
def test_offers_that_a_server_declines(offer: str) -> None:
    assert answer(offer) is None


def test_a_server_says_what_it_wants() -> None:
    assert answer("permessage-deflate; client_max_window_bits") == (
        "permessage-deflate; client_max_window_bits=12"
    )
    strict = DeflateConfig(10, 11, True, True)
    assert answer("permessage-deflate; client_max_window_bits=9", strict) == (
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits=9"
    )
    params, _ = negotiate_server(parse_extensions("permessage-deflate"), strict)
    assert params == DeflateParams(True, True, 10, 15)  # this client cannot limit its window


@pytest.mark.parametrize("config", [DeflateConfig(), WIDE, DeflateConfig(10, 11, True, True)])
def test_a_window_of_our_own_is_told_only_to_a_client_that_asked(config: DeflateConfig) -> None:
    for offer in ("permessage-deflate", "permessage-deflate; client_max_window_bits"):
        params, element = negotiate_server(parse_extensions(offer), config)
        assert params is not None
        assert element is not None
        assert "server_max_window_bits" not in dict(element.params)
        assert params.server_max_window_bits == (config.server_max_window_bits or 12)
        answered = accept_client([element], DeflateConfig(15, 15))
        assert answered is not None
        wire = server(params, config).compress(EXAMPLE)
        assert client(answered).decompress(wire, True, LIMIT) == EXAMPLE
    asked = answer("permessage-deflate; server_max_window_bits=15", config)
    assert f"server_max_window_bits={config.server_max_window_bits or 12}" in str(asked)


def test_what_a_client_offers() -> None:
    assert format_extensions(offer_client()) == "permessage-deflate; client_max_window_bits=12"
    assert format_extensions(offer_client(DeflateConfig(server_max_window_bits=10))) == (
        "permessage-deflate; server_max_window_bits=10; client_max_window_bits=12, "
        "permessage-deflate; client_max_window_bits=12"
    )
    assert format_extensions(offer_client(WIDE)) == "permessage-deflate; client_max_window_bits"
    assert format_extensions(offer_client(DeflateConfig(15, 15, True, True))) == (
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits"
    )


@pytest.mark.parametrize(
    ("reply", "params"),
    [
        ("permessage-deflate", DeflateParams(False, False, 15, 12)),
        ("permessage-deflate; server_max_window_bits=8", DeflateParams(False, False, 8, 12)),
        ("permessage-deflate; client_max_window_bits=8", DeflateParams(False, False, 15, 8)),
        ("permessage-deflate; client_max_window_bits=15", DeflateParams(False, False, 15, 12)),
        (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            DeflateParams(True, True, 15, 12),
        ),
    ],
)
def test_answers_that_a_client_takes(reply: str, params: DeflateParams) -> None:
    assert accept_client(parse_extensions(reply)) == params


def test_a_server_may_decline() -> None:
    assert accept_client(()) is None
    assert accept_client([ExtensionOffer("x-other")]) is None


def test_a_client_may_forget_of_its_own_accord() -> None:
    params = accept_client(
        [ExtensionOffer("permessage-deflate")], DeflateConfig(12, 12, False, True)
    )
    assert params == DeflateParams(False, True, 15, 12)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("permessage-deflate, permessage-deflate", "RSV1"),
        ("permessage-deflate; magic", "no parameter"),
        ("permessage-deflate; client_max_window_bits", "None"),
        ("permessage-deflate; server_max_window_bits=16", "16"),
        ("permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", "twice"),
        ("permessage-deflate; server_no_context_takeover=true", "no value"),
    ],
)
def test_answers_that_a_client_refuses(reply: str, why: str) -> None:
    with pytest.raises(HandshakeError, match=why) as caught:
        accept_client(parse_extensions(reply))
    assert caught.value.status == 502
    assert "RFC 7692" in str(caught.value)


def test_a_client_insists_on_what_every_offer_demanded() -> None:
    wish = DeflateConfig(server_no_context_takeover=True)
    with pytest.raises(HandshakeError, match="in every offer"):
        accept_client([ExtensionOffer("permessage-deflate")], wish)


class Zlib32:
    """A decompressor of a machine with 32 bits: no object has more than 2**31 - 1 octets there."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def decompress(self, data: bytes, most: int) -> Any:
        if most > MAXSIZE_32:
            raise OverflowError("Python int too large to convert to C ssize_t")
        return self._real.decompress(data, most)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.parametrize("limit", [MAXSIZE_32 - 1, MAXSIZE_32, 1 << 62])
def test_a_limit_that_no_object_reaches_is_one_on_32_bits_too(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    real = zlib.decompressobj
    other = vars(zlib) | {"decompressobj": lambda bits: Zlib32(real(bits))}
    monkeypatch.setattr(deflate, "zlib", SimpleNamespace(**other))
    monkeypatch.setattr(deflate, "sys", SimpleNamespace(maxsize=MAXSIZE_32))
    compressed = client().compress(b"Hello")
    assert server().decompress(compressed, True, limit) == b"Hello"
    assert server().decompress(stream(b"one") + stream(b"two"), True, limit) == b"onetwo"


CONFIGS = st.tuples(BITS, BITS, st.booleans(), st.booleans()).map(
    lambda values: DeflateConfig(*values)
)


@given(CONFIGS, CONFIGS)
def test_our_client_and_our_server_always_agree(mine: DeflateConfig, theirs: DeflateConfig) -> None:
    offers = parse_extensions(format_extensions(offer_client(mine)))
    ours, element = negotiate_server(offers, theirs)
    assert ours is not None
    assert element is not None
    params = accept_client(parse_extensions(format_extensions([element])), mine)
    assert params is not None
    # A server may keep to a smaller window than it has told.
    assert params == ours._replace(server_max_window_bits=params.server_max_window_bits)
    assert params.server_max_window_bits >= ours.server_max_window_bits
    wire = server(ours, theirs).compress(EXAMPLE)
    assert client(params, mine).decompress(wire, True, LIMIT) == EXAMPLE


@pytest.mark.parametrize(
    "values",
    [
        {"server_max_window_bits": 8},
        {"client_max_window_bits": 16},
        {"level": 10},
        {"mem_level": 0},
        {"max_members": 0},
    ],
)
def test_a_configuration_out_of_range(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        DeflateConfig(**values)  # type: ignore[arg-type]
