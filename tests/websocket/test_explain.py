"""Explanations: they cover every bit, they agree with the decoder, and they find what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim_edu.errors import HandshakeError, IncompleteFrame, RemoteProtocolError
from goim_edu.websocket.deflate import DeflateConfig, DeflateParams, PerMessageDeflate
from goim_edu.websocket.explain import Explanation, Field, Kind, Sender, explain, explain_stream
from goim_edu.websocket.frames import Frame, Opcode, build_frame, parse_frame
from goim_edu.websocket.handshake import (
    ExtensionOffer,
    accept_response,
    build_request,
    error_response,
    parse_request,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = bytes.fromhex("37fa213d")
REQUEST = build_request("example.com", "/chat?room=1", KEY, subprotocols=["a", "b"])


def frame(hex_digits: str, **options: object) -> Explanation:
    return explain(bytes.fromhex(hex_digits), **options)  # type: ignore[arg-type]


def meanings(explanation: Explanation) -> dict[str, str]:
    return {field.name: field.meaning for field in explanation.fields}


def assert_bits_are_covered(explanation: Explanation) -> None:
    """Frames: no gap, no overlap, nothing beyond what is there."""
    position = 0
    for field in explanation.fields:
        assert field.start_bit == position
        assert field.bit_length > 0
        position += field.bit_length
    assert position == 8 * len(explanation.data)


# ---------------------------------------------------------------------- frames that are good


def test_hello_masked_as_the_rfc_prints_it() -> None:
    hello = frame("81 85 37 fa 21 3d 7f 9f 4d 51 58 ff ff")
    assert hello.ok
    assert not hello.cut
    assert hello.verdict == "a good frame"
    assert hello.data.hex() == "818537fa213d7f9f4d5158"
    assert [(f.name, f.bits, f.raw, f.value) for f in hello.fields] == [
        ("FIN", "0", "1", True),
        ("RSV1", "1", "0", False),
        ("RSV2", "2", "0", False),
        ("RSV3", "3", "0", False),
        ("opcode", "4-7", "0001", 1),
        ("MASK", "8", "1", True),
        ("Payload length", "9-15", "0000101", 5),
        ("Masking-key", "16-47", "37 fa 21 3d", MASK),
        ("Payload data", "48-87", "7f 9f 4d 51 58", "Hello"),
    ]
    assert hello.message == "Hello"
    assert hello.culprit is None
    assert hello["OPCODE"].section == "RFC 6455 §5.6"
    assert "masking-KEY" in hello
    assert "Close code" not in hello
    with pytest.raises(KeyError, match="Close code"):
        hello["Close code"]
    assert str(hello).endswith("verdict: a good frame")
    assert len(str(hello).splitlines()) == 11


@pytest.mark.parametrize(
    ("code", "size", "length"),
    [(125, 0, 125), (126, 16, 126), (126, 16, 65_535), (127, 64, 65_536)],
)
def test_the_three_forms_of_a_length(code: int, size: int, length: int) -> None:
    explanation = explain(build_frame(bytes(length), Opcode.BINARY))
    assert explanation["Payload length"].value == code
    if size:
        assert explanation["Extended payload length"].bit_length == size
        assert explanation["Extended payload length"].value == length
        assert f"next {size} bits" in explanation["Payload length"].meaning
    assert explanation["Payload data"].value == bytes(length)
    assert len(explanation["Payload data"].raw) < 110
    assert explanation["Payload data"].raw.endswith(" ...")
    assert explanation["Payload data"].meaning.endswith("...")
    assert_bits_are_covered(explanation)


def test_the_smaller_words() -> None:
    assert "1 octet of payload" in frame("89 01 61")["Payload length"].meaning
    assert frame("89 01 61")["FIN"].meaning == "a control frame is always whole"
    assert frame("80 01 61")["FIN"].meaning == "the message ends with this fragment"
    assert frame("01 01 61")["FIN"].meaning == "more fragments of this message follow"
    assert "may not" in frame("09 01 61")["FIN"].meaning
    assert "reserved for data" in frame("83 00")["opcode"].meaning
    assert "reserved for control" in frame("8b 00")["opcode"].meaning
    assert "no extension was agreed on" in frame("c1 00")["RSV1"].meaning
    assert "no known extension" in frame("b1 00")["RSV2"].meaning
    assert "is compressed" in frame("c1 01 00", compression=True)["RSV1"].meaning
    assert "is not compressed" in frame("81 01 61", compression=True)["RSV1"].meaning
    assert "only the first frame" in frame("80 01 61", compression=True)["RSV1"].meaning
    long = explain(build_frame("x" * 100))["Payload data"]
    assert long.meaning == repr("x" * 60 + "...")
    assert frame("82 02 00 ff")["Payload data"].meaning == "00 ff"
    assert frame("89 02 c3 28")["Payload data"].meaning.endswith("not valid UTF-8 from octet 0 on")


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (1000, "1000: normal closure"),
        (1015, "1015: TLS handshake failed"),
        (3000, "3000: one of those that libraries and frameworks register"),
        (4429, "4429: private to this application"),
        (2999, "2999: not defined, it may not be sent"),
    ],
)
def test_close_codes(code: int, meaning: str) -> None:
    closing = explain(build_frame(code.to_bytes(2) + b"bye", Opcode.CLOSE, mask_key=MASK))
    assert closing["Close code"].meaning == meaning
    assert closing["Close code"].value == code
    assert closing["Close reason"].value == "bye"
    assert "Payload data" not in closing
    assert_bits_are_covered(closing)


def test_compressed_payloads() -> None:
    hello = frame("c1 07 f2 48 cd c9 c9 07 00", compression=True)
    assert hello.ok
    assert hello["Payload data"].meaning == "compressed; it inflates to 'Hello'"
    assert hello["Payload data"].section == "RFC 7692 §7.2"
    again = frame("c1 05 f2 00 11 00 00", compression=True)  # fair: it may be good in its place
    assert again.ok
    assert "without the messages before" in again["Payload data"].meaning
    bomb = PerMessageDeflate(DeflateParams(), True).compress(bytes(100_000))
    huge = explain(build_frame(bomb, Opcode.BINARY, rsv1=True), compression=True)
    assert "more than 65,536 octets" in huge["Payload data"].meaning


# ---------------------------------------------------------------------- frames that are broken


@pytest.mark.parametrize(
    ("wire", "sender", "code", "section", "culprit"),
    [
        ("83 00", None, 1002, "RFC 6455 §5.2", "opcode"),
        ("8f 00", None, 1002, "RFC 6455 §5.2", "opcode"),
        ("c1 00", None, 1002, "RFC 6455 §5.2", "RSV1"),
        ("a1 00", None, 1002, "RFC 6455 §5.2", "RSV2"),
        ("91 00", None, 1002, "RFC 6455 §5.2", "RSV3"),
        ("b1 00", None, 1002, "RFC 6455 §5.2", "RSV2"),
        ("09 00", None, 1002, "RFC 6455 §5.5", "FIN"),
        ("89 7e 00 7e", None, 1002, "RFC 6455 §5.5", "Payload length"),
        ("81 7e 00 7d", None, 1002, "RFC 6455 §5.2", "Extended payload length"),
        ("82 7f 00 00 00 00 00 00 ff ff", None, 1002, "RFC 6455 §5.2", "Extended payload length"),
        ("82 7f 80 00 00 00 00 00 00 00", None, 1002, "RFC 6455 §5.2", "Extended payload length"),
        ("82 7e 04 01", None, 1009, "RFC 6455 §7.4.1", "Extended payload length"),
        ("81 00", "client", 1002, "RFC 6455 §5.1", "MASK"),
        ("81 80 00 00 00 00", "server", 1002, "RFC 6455 §5.1", "MASK"),
        ("88 01 03", None, 1002, "RFC 6455 §5.5.1", "Payload data"),
        ("88 02 03 ed", None, 1002, "RFC 6455 §7.4", "Close code"),
        ("88 03 03 e8 ff", None, 1007, "RFC 6455 §5.5.1", "Close reason"),
        ("81 02 c3 28", None, 1007, "RFC 6455 §8.1", "Payload data"),
        ("81 01 c3", None, 1007, "RFC 6455 §8.1", "Payload data"),
        ("81 05 c3 28", None, 1007, "RFC 6455 §8.1", "Payload data"),  # though more is to come
    ],
)
def test_the_verdict_and_the_culprit(
    wire: str, sender: Sender | None, code: int, section: str, culprit: str
) -> None:
    explanation = frame(wire, sender=sender, max_frame_size=1_024)
    error = explanation.error
    assert error is not None
    assert (error.close_code, error.section, explanation.culprit) == (code, section, culprit)
    assert explanation.verdict == f"fails the connection with {code}: {error}"
    assert not explanation.cut
    assert explanation.message is None
    assert culprit in explanation
    assert_bits_are_covered(explanation)


# ---------------------------------------------------------------------- frames that are cut


@pytest.mark.parametrize("wire", ["81 85 37 fa 21 3d 7f 9f 4d 51 58", "82 fe 00 80 01 02 03 04"])
def test_a_cut_frame_is_explained_as_far_as_it_goes(wire: str) -> None:
    data = bytes.fromhex(wire)
    for size in range(len(data)):
        cut = explain(data[:size])
        assert cut.cut
        assert not cut.ok
        assert cut.data == data[:size]
        assert cut.verdict.startswith("cut: at least ")
        assert_bits_are_covered(cut)


def test_the_words_for_a_cut() -> None:
    assert explain(b"").verdict == "cut: at least 2 more octets are needed"
    assert explain(b"").fields == ()
    assert frame("81").verdict == "cut: at least 1 more octet is needed"
    assert frame("82 7e 01")["Extended payload length"].meaning == "cut: 1 of 2 octets are here"
    assert frame("82 7e 01")["Extended payload length"].value is None
    assert frame("82 85 37 fa")["Masking-key"].meaning == "cut: 2 of 4 octets are here"
    assert frame("81 85 37 fa 21 3d 7f 9f")["Payload data"].meaning == (
        "cut, 2 of 5 octets are here: 'He'"
    )
    assert frame("88 03 03 e8")["Close code"].value == 1000
    assert frame("88 03 03 e8").cut


# ---------------------------------------------------------------------- it is the real decoder


def decoded(data: bytes) -> tuple[Frame | None, RemoteProtocolError | None]:
    """The frame with which the octets start, or what the decoder says against it."""
    try:
        return parse_frame(data)[0], None
    except RemoteProtocolError as error:
        return None, error


@given(st.binary(max_size=30) | st.binary(max_size=30).map(lambda tail: b"\x81" + tail))
def test_it_says_what_parse_frame_says(data: bytes) -> None:
    explanation = explain(data, kind="frame")
    assert_bits_are_covered(explanation)
    parsed, error = decoded(data)
    if parsed is not None:
        assert explanation["opcode"].value == parsed.opcode
        assert explanation["FIN"].value == parsed.fin
        assert ("Masking-key" in explanation) == parsed.masked
    elif isinstance(error, IncompleteFrame) and not explanation.cut:
        assert explanation.error is not None  # not UTF-8, that is certain before the frame ends
        assert explanation.error.close_code == 1007
    else:
        assert str(explanation.error) == str(error)


# ---------------------------------------------------------------------- streams of one side


def test_a_stream_from_its_request_on() -> None:
    data = REQUEST + b"".join(
        build_frame(payload, opcode, fin, mask_key=MASK)
        for payload, opcode, fin in [
            (b"Hel", Opcode.TEXT, False),
            (b"?", Opcode.PING, True),
            (b"lo", Opcode.CONTINUATION, True),
            (b"\x03\xe8", Opcode.CLOSE, True),
        ]
    )
    parts = explain_stream(data, sender="client")
    assert [part.kind for part in parts] == ["request", "frame", "frame", "frame", "frame"]
    assert all(part.ok for part in parts)
    assert b"".join(part.data for part in parts) == data
    assert [part.message for part in parts] == [None, None, None, "Hello", None]


def test_a_stream_knows_what_came_before() -> None:
    lonely = explain_stream(bytes.fromhex("89 00 80 00 81 00"))
    assert [part.ok for part in lonely] == [True, False]  # and nothing after the error
    assert (lonely[1].culprit, lonely[1].error and lonely[1].error.section) == (
        "opcode",
        "RFC 6455 §5.4",
    )
    split = explain_stream(bytes.fromhex("01 01 c3 80 01 28"))
    assert [part.error and part.error.close_code for part in split] == [None, 1007]
    assert explain_stream(bytes.fromhex("81 05"), sender="client")[0].culprit == "MASK"
    assert explain_stream(bytes.fromhex("82 05 00"))[0].cut
    too_long = explain_stream(bytes.fromhex("02 03 616263 80 01 64"), max_message_size=3)
    assert too_long[1].error is not None
    assert too_long[1].error.close_code == 1009
    assert explain_stream(b"") == []


def test_a_stream_inflates_what_refers_back() -> None:
    wire = "c1 07 f2 48 cd c9 c9 07 00 c1 05 f2 00 11 00 00"
    for sender in ("server", "client"):
        parts = explain_stream(bytes.fromhex(wire), compression=DeflateParams())
        assert [part.message for part in parts] == ["Hello", "Hello"], sender
        assert parts[1]["Payload data"].meaning == "compressed; it inflates to 'Hello'"
    binary = "c2 07 f2 48 cd c9 c9 07 00"
    parts = explain_stream(bytes.fromhex(binary), compression=DeflateParams(), sender="server")
    assert parts[0].message == b"Hello"


# ---------------------------------------------------------------------- handshakes


def test_a_request_line_by_line() -> None:
    explanation = explain(REQUEST + b"\x81")
    assert explanation.kind == "request"
    assert explanation.ok
    assert explanation.verdict == "a good request"
    assert explanation.data == REQUEST
    parsed = parse_request(REQUEST)
    assert parsed is not None
    names = [field.name for field in explanation.fields]
    assert names[:3] == ["method", "target", "HTTP version"]
    assert names[-1] == "end of head"
    headers = [(field.name, field.value) for field in explanation.fields[3:-1]]
    assert headers == list(parsed[0].headers)
    for field in explanation.fields:
        start, size = field.start_bit // 8, field.bit_length // 8
        raw = REQUEST[start : start + size].decode()
        assert raw.startswith(field.name) or raw in (field.value, "\r\n")
    said = meanings(explanation)
    assert "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in said["Sec-WebSocket-Key"]
    assert said["Sec-WebSocket-Protocol"].endswith("most wanted first")


def test_a_response_line_by_line() -> None:
    parsed = parse_request(REQUEST)
    assert parsed is not None
    offer = ExtensionOffer("permessage-deflate")
    answer = accept_response(parsed[0], "b", [offer], [("X-Hello", "1")]).to_bytes()
    explanation = explain(answer + b"\x81\x00", key=KEY)
    assert (explanation.kind, explanation.ok, explanation.data) == ("response", True, answer)
    assert explanation["status"].value == "101"
    assert explanation["reason"].value == "Switching Protocols"
    assert explanation["X-Hello"].meaning == "a field of HTTP; WebSocket gives it no meaning"
    assert explanation["sec-websocket-protocol"].meaning.endswith("the one that was chosen")
    wrong = explain(answer, key="AAAAAAAAAAAAAAAAAAAAAA==")
    assert wrong.culprit == "Sec-WebSocket-Accept"
    assert wrong.verdict.startswith("is refused: the server's 101 is not valid")
    assert explain(answer).ok  # without the key, its answer cannot be judged
    plain = accept_response(parsed[0]).to_bytes()
    assert explain(plain, key=KEY).ok


def test_a_refusal_has_a_body_and_early_hints_have_a_successor() -> None:
    data = error_response(HandshakeError("no such room", status=404)).to_bytes()
    refusal = explain(data)
    assert refusal.ok
    assert str(refusal["body"].value).startswith("404 Not Found\nno such room")
    assert refusal["body"].raw.startswith(r"404 Not Found\nno such room")
    assert refusal.data == data
    early = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    assert explain(early + data).data == early
    assert explain(early[:-1]).cut
    parts = explain_stream(early + data, sender="server")
    assert [part["status"].value for part in parts] == ["103", "404"]


@pytest.mark.parametrize(
    ("old", "new", "status", "culprit"),
    [
        (b"GET", b"POST", 405, "method"),
        (b"/chat?room=1", b"*", 400, "target"),
        (b"HTTP/1.1", b"HTTP/1.0", 400, "HTTP version"),
        (b"HTTP/1.1", b"HTTP/x", 400, "method"),
        (b"Host: example.com", b"Host: a b", 400, "Host"),
        (b"Host: example.com\r\n", b"", 400, None),
        (b"Host: example.com", b"no colon here", 400, "not a field"),
        (b"Host: example.com", b"Host : example.com", 400, "Host "),
        (b"Host: example.com", b"Host: example.com\nX: y", 400, "Host"),
        (b"Upgrade: websocket", b"Upgrade: h2c", 426, "Upgrade"),
        (b"Connection: Upgrade", b"Connection: close", 400, "Connection"),
        (b"Version: 13", b"Version: 8", 426, "Sec-WebSocket-Version"),
        (KEY.encode(), b"AAAA", 400, "Sec-WebSocket-Key"),
        (b"a, b", b"a, a", 400, "Sec-WebSocket-Protocol"),
    ],
)
def test_a_bad_request_and_its_culprit(
    old: bytes, new: bytes, status: int, culprit: str | None
) -> None:
    assert old in REQUEST
    explanation = explain(REQUEST.replace(old, new, 1))
    assert isinstance(explanation.error, HandshakeError)
    assert explanation.error.status == status
    assert explanation.culprit == culprit
    assert explanation.verdict == f"is answered with {status}: {explanation.error}"


def test_a_bad_key_is_explained_where_it_stands() -> None:
    explanation = explain(REQUEST.replace(KEY.encode(), b"AAAA"))
    assert "is not the Base64 of 16 octets" in explanation["Sec-WebSocket-Key"].meaning


def test_a_bad_response() -> None:
    explanation = explain(b"HTTP/1.1 abc\r\nA: 1\r\n\r\n\x81")
    assert explanation.verdict.startswith("is refused: the status line is 'HTTP/1.1 abc'")
    assert explanation.data.endswith(b"\r\n\r\n")
    assert explanation.culprit == "status"


def test_a_cut_head() -> None:
    for size in range(1, len(REQUEST)):
        cut = explain(REQUEST[:size])
        assert (cut.kind, cut.cut, cut.data) == ("request", True, REQUEST[:size])
    assert explain(REQUEST[:-1]).verdict == "cut: at least 1 more octet is needed"
    assert explain(REQUEST[:-3]).verdict == "cut: at least 3 more octets are needed"
    assert explain(REQUEST[:-8]).verdict == "cut: at least 4 more octets are needed"
    assert explain(b"HT").kind == "response"
    assert explain(b"HT").cut
    assert explain(b"GET / HTTP/1.1\r\nA: \x00").error is not None


def test_an_empty_line_before_a_request_is_passed_over() -> None:
    explanation = explain(b"\r\n" + REQUEST, kind="request")
    assert explanation.ok
    assert explanation["method"].bits == "16-39"


@given(st.binary(max_size=80) | st.integers(0, len(REQUEST)).map(lambda cut: REQUEST[:cut]))
def test_any_octets_can_be_explained(data: bytes) -> None:
    kinds: list[Kind | None] = ["frame", "request", "response", None]
    for kind in kinds:
        explanation = explain(data, kind=kind)
        assert explanation.data == data[: len(explanation.data)]
        assert explanation.verdict in str(explanation)
        assert explanation.culprit is None or explanation.culprit in explanation
        for field in explanation.fields:
            assert field.start_bit + field.bit_length <= 8 * len(explanation.data)


def test_a_field_of_one_bit() -> None:
    assert Field("FIN", 0, 1, "1", True, "", "").bits == "0"


def test_the_configuration_of_a_real_connection_can_be_given() -> None:
    params = DeflateParams(server_max_window_bits=9)
    wire = PerMessageDeflate(params, True, DeflateConfig(level=9)).compress(b"Hello" * 300)
    parts = explain_stream(
        build_frame(wire, rsv1=True), sender="server", compression=params, max_frame_size=1_000
    )
    assert parts[0].message == "Hello" * 300
