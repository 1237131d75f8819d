"""The widgets' Python side: what they hold, what they refuse, what they show without a browser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu import widgets
from goim_edu.capture import Capture
from goim_edu.websocket.close import build_close
from goim_edu.websocket.explain import explain
from goim_edu.websocket.frames import Frame, Opcode, build_frame
from goim_edu.widgets import ChatPanel, FrameLab, HandshakeLab, WireTap
from goim_edu.widgets.frame_presets import PRESETS
from tests.capture.test_pcap import two_way_conversation

HELLO = bytes.fromhex("818537fa213d7f9f4d5158")
VIEW = "application/vnd.jupyter.widget-view+json"


class Server:
    """Stands for a live server: keeps what it is asked, answers what it is told to."""

    url = "ws://127.0.0.1:1/chat"

    def __init__(self, *answers: Frame) -> None:
        self.answers = answers
        self.asked: list[bytes] = []

    def ask(self, data: bytes) -> Sequence[Frame]:
        self.asked.append(data)
        return self.answers


def click(lab: FrameLab, **content: Any) -> None:
    """Do what the browser does when something is clicked there."""
    lab._handle_custom_msg(content, [])


@pytest.mark.parametrize("name", widgets.__all__)
def test_every_widget_stands_on_the_shared_pieces(name: str) -> None:
    widget = getattr(widgets, name)
    assert ".goim-piece {" in str(widget._css)
    assert str(widget._esm).count("furnish(el") == 2, "the shared function, and one use of it"
    assert "return listen(" in str(widget._esm) or "leave();" in str(widget._esm)


def test_a_chat_panel_has_a_stable_repr_and_a_stand_in() -> None:
    panel = ChatPanel(Server(), users=["ada", "<lin>"], room="lobby")
    assert repr(panel) == "ChatPanel(users=['ada', '<lin>'], room='lobby')"
    assert panel.url == Server.url
    data, _ = panel._repr_mimebundle_()
    assert VIEW in data
    assert data["text/plain"] == repr(panel)
    assert "&lt;lin&gt;" in data["text/html"]
    assert 'role="img"' in data["text/html"]


@pytest.mark.parametrize("users", [[], ["ada", "ada"]])
def test_a_chat_panel_needs_different_users(users: list[str]) -> None:
    with pytest.raises(ValueError, match="different names"):
        ChatPanel("ws://127.0.0.1:1/chat", users=users)


def test_a_chat_panel_lets_the_browser_speak() -> None:
    panel = ChatPanel("ws://127.0.0.1:1/chat", users=["ada", "lin"])
    sent: list[Any] = []
    panel.send = sent.append
    panel.say("hello")
    panel.say("hi", user="lin")
    assert [(message["user"], message["text"]) for message in sent] == [
        ("ada", "hello"),
        ("lin", "hi"),
    ]
    with pytest.raises(ValueError, match="does not sit here"):
        panel.say("boo", user="eve")


def test_a_chat_panel_is_not_pushed_down_by_what_is_said() -> None:
    log = str(ChatPanel._css).split(".goim-chat-log {")[1].split("}")[0]
    assert "flex: none" in log, "a flex basis of its own beats the height"
    assert re.search(r"height: \d+px", log)
    assert "overflow-y: auto" in log


def test_a_chat_panel_knows_what_the_browser_shows() -> None:
    panel = ChatPanel("ws://127.0.0.1:1/chat", users=["ada"])
    message = {"user_id": "lin", "text": "hi", "seq": 1}
    panel._handle_custom_msg({"type": "connected", "value": ["ada"]}, [])
    panel._handle_custom_msg({"type": "messages", "value": [message]}, [])
    assert panel.connected == ["ada"]
    assert panel.messages == [message]


def test_flipping_a_bit_twice_changes_nothing() -> None:
    lab = FrameLab(HELLO)
    for bit in range(8 * len(HELLO)):
        lab.flip(bit)
        assert lab.value != HELLO
        lab.flip(bit)
        assert lab.value == HELLO


@pytest.mark.parametrize("bit", [-1, 88])
def test_there_are_only_so_many_bits(bit: int) -> None:
    with pytest.raises(IndexError, match="bits 0 to 87"):
        FrameLab(HELLO).flip(bit)


@settings(deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["client", "server"]))
def test_the_browser_sees_what_explain_says(data: bytes, sender: Any) -> None:
    lab = FrameLab(data, sender=sender)
    explained = explain(data, kind="frame", sender=sender)
    after = explained.ok and explained["opcode"].value == Opcode.CONTINUATION
    assert lab.view["verdict"] == lab.verdict
    assert lab.verdict == explained.verdict + ", but only after a first fragment" * after
    assert (lab.view["state"] == "after") is after
    assert lab.view["octets"] == list(data[:40])
    assert lab.view["total"] == len(data)
    fields = [f for f in lab.view["fields"] if f["role"] not in ("missing", "behind")]
    behind = [f for f in lab.view["fields"] if f["role"] == "behind"]
    drawn = len(explained.data)
    assert [(f["start"], f["length"]) for f in behind] == (
        [(8 * drawn, 8 * (len(data) - drawn))] if len(data) > drawn else []
    )
    assert [(p["name"], p["start"], p["length"]) for p in fields] == [
        (f.name, f.start_bit, f.bit_length) for f in explained.fields
    ]
    assert [p["name"] for p in fields if p["wrong"]] == [n for n in [explained.culprit] if n]


@pytest.mark.parametrize("preset", PRESETS, ids=[preset.name for preset in PRESETS])
def test_each_preset_is_what_it_says(preset: Any) -> None:
    lab = FrameLab(preset.name)
    assert lab.value == preset.data
    assert lab.explanation.ok is not preset.broken
    if preset.broken:
        assert not lab.explanation.cut
        assert lab.explanation.culprit


def test_there_are_presets_for_everything_that_matters() -> None:
    good = [preset.data for preset in PRESETS if not preset.broken]
    assert {data[0] & 0x0F for data in good} == {int(opcode) for opcode in Opcode}
    assert {125, 126, 127} <= {data[1] & 0x7F for data in good}
    assert sum(preset.broken for preset in PRESETS) >= 12
    with pytest.raises(KeyError, match="no preset"):
        FrameLab("no such")


def test_clicks_change_the_value() -> None:
    lab = FrameLab(HELLO)
    click(lab, type="flip", bit=0)
    assert lab.value[0] == 0x01
    click(lab, type="bytes", hex="8a 00")
    assert lab.value == b"\x8a\x00"
    click(lab, type="load", name="ping")
    assert lab.frame.opcode is Opcode.PING
    build = {"payload": "é", "asHex": False, "opcode": 1, "masked": True, "key": "00 00 00 01"}
    click(lab, type="build", **build)
    assert lab.frame == Frame(Opcode.TEXT, "é".encode(), mask_key=b"\0\0\0\1")
    click(lab, type="build", **{**build, "masked": False, "payload": "ff 00", "asHex": True})
    assert lab.value == build_frame(b"\xff\x00")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"type": "bytes", "hex": "8z"}, "pairs of hex digits"),
        ({"type": "build", "payload": "x" * 126, "opcode": 9}, "125"),
        ({"type": "build", "payload": "x" * 200_000, "opcode": 1}, "131,072"),
        ({"type": "build", "payload": "x", "opcode": 3}, "opcode 3 is reserved"),
        ({"type": "build", "payload": "x", "opcode": 1, "masked": True, "key": "01"}, "4 octets"),
    ],
)
def test_what_cannot_be_built_is_said(content: dict[str, Any], said: str) -> None:
    lab = FrameLab(HELLO)
    sent: list[Any] = []
    lab.send = sent.append
    click(lab, **{"asHex": False, "masked": False, "key": ""} | content)
    assert lab.value == HELLO
    (message,) = sent
    assert said in message["text"]


def test_sending_shows_what_the_server_answered() -> None:
    server = Server(Frame(Opcode.CLOSE, build_close(1002, "RSV1 is set")))
    lab = FrameLab("RSV1 without compression", server=server)
    assert lab.view["canSend"]
    click(lab, type="send")
    assert server.asked == [lab.value]
    assert lab.view["answers"] == ["Close 1002: RSV1 is set"]
    assert lab.answers == list(server.answers)
    lab.flip(1)
    assert lab.view["answers"] == [], "an answer belongs to the frame that was sent"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "it has got nothing yet"),
        ("81", "it waits for the rest of a frame, at least 1 octet more"),
        ("81 85 37 fa", "it waits for the rest of a frame, at least 2 octets more"),
        ("01 85 37 fa 21 3d 7f 9f 4d 51 58", "it waits for the next fragment of the message"),
        ("01 80 00 00 00 00 8a 80 00 00 00 00", "it waits for the next fragment of the message"),
        ("8a 80 00 00 00 00", "a Pong needs no answer"),
        ("81 84 37 fa 21 3d 7f 9f 4d 51 58", "it waits for the rest of a frame"),
    ],
)
def test_a_server_that_is_silent_waits_for_something_known(data: str, why: str) -> None:
    lab = FrameLab(bytes.fromhex(data), server=Server())
    click(lab, type="send")
    assert lab.view["asked"]
    assert lab.view["then"].startswith(f"The server answered nothing: {why}")


def test_bytes_behind_the_frame_have_a_row_of_their_own() -> None:
    lab = FrameLab(HELLO)
    lab.flip(15)  # 4 bytes of payload in place of 5
    *_, last = lab.view["fields"]
    assert (last["name"], last["place"]) == ("behind the frame", "byte 10")
    assert last["meaning"] == "1 octet, the start of the next frame"


def test_an_answer_to_the_frame_and_the_wait_for_the_next_are_both_said() -> None:
    lab = FrameLab(HELLO, server=Server(Frame(Opcode.TEXT, b"Hell")))
    lab.flip(15)
    click(lab, type="send")
    assert lab.view["answers"] == ["text: Hell"]
    assert lab.view["then"] == "Then it waits for the rest of a frame, at least 1 octet more."
    lab.flip(15)
    click(lab, type="send")
    assert lab.view["then"] == "", "it has got the whole frame, and no more"


def test_without_a_server_nothing_is_sent() -> None:
    lab = FrameLab()
    assert not lab.view["canSend"]
    with pytest.raises(RuntimeError, match="server=live"):
        lab.send_frame()


def test_a_frame_lab_leaves_a_picture_where_no_kernel_runs() -> None:
    lab = FrameLab(HELLO)
    data, _ = lab._repr_mimebundle_()
    assert data["text/plain"] == "FrameLab(818537fa213d7f9f4d5158)"
    assert data["text/html"] == lab.picture().html()
    assert repr(FrameLab("length in 64 bits: 65,536")).endswith("...)")


# ---------------------------------------------------------------------- WireTap


@pytest.fixture
def talk() -> Capture:
    """Two connections, compressed and plain, ending with a broken frame."""
    capture = Capture()
    for connection in (1, 2):
        tap = capture.tap(connection)
        for number, (direction, data) in enumerate(two_way_conversation()):
            tap(direction, number / 8, data)
    tap = capture.tap(3)
    tap("in", 9.0, b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
    tap("out", 9.0, b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    tap("in", 9.0, build_frame('{"type":"hello"}', mask_key=b"abcd"))
    tap("in", 9.0, bytes.fromhex("8380abcdabcd"))
    return capture


class Browser:
    """Stands for the browser: keeps what the kernel sends, and clicks."""

    def __init__(self, widget: Any) -> None:
        self.got: list[dict[str, Any]] = []
        self._widget = widget
        widget.send = self.got.append

    def does(self, **content: Any) -> dict[str, Any]:
        self.got.clear()
        self._widget._handle_custom_msg(content, [])
        return self.got[-1]


def test_a_tap_lists_requests_responses_and_frames(talk: Capture) -> None:
    browser = Browser(WireTap(talk))
    count = browser.does(type="poll")
    assert (count["shown"], count["total"], count["full"]) == (30, 30, False)
    rows = browser.does(type="rows", **{"from": 0, "count": 3})["rows"]
    assert [row["name"] for row in rows] == ["REQUEST", "RESPONSE", "TEXT"]
    assert rows[2]["text"] == "hello, hello, hello"
    last = browser.does(type="rows", **{"from": 29, "count": 9})["rows"]
    assert [row["wrong"] for row in last] == [True]
    assert "opcode 3 is reserved" in last[0]["text"]


def test_a_tap_takes_in_what_comes_later(talk: Capture) -> None:
    widget = WireTap(talk)
    browser = Browser(widget)
    tap = talk.tap(4)
    tap("in", 10.0, b"GET /chat HTTP/1.1\r\nHost: x\r\n\r\n")
    assert browser.does(type="poll")["shown"] == 31
    browser.does(type="pause", value=True)
    tap("out", 10.0, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    assert browser.does(type="poll")["shown"] == 31
    assert browser.does(type="pause", value=False)["shown"] == 32
    talk.clear()
    assert browser.does(type="poll")["shown"] == 0
    assert widget.selected == -1


@pytest.mark.parametrize(
    ("words", "found"),
    [("", 30), ("hello", 5), ("ping client", 2), ("#3", 4), ("wrong", 1), ("close server #2", 1)],
)
def test_a_tap_is_filtered_by_words(talk: Capture, words: str, found: int) -> None:
    widget = WireTap(talk)
    assert widget.filter(words) == found
    assert len(widget.shown) == found
    assert Browser(widget).does(type="poll")["wanted"] == words


def test_the_choice_survives_the_filter_if_it_passes_it(talk: Capture) -> None:
    widget = WireTap(talk)
    widget.select(2)
    chosen = widget.entry
    widget.filter("text")
    assert widget.entry is chosen
    assert widget.selected == 0
    widget.filter("ping")
    assert widget.entry is None
    with pytest.raises(IndexError, match="the list has 2"):
        widget.select(2)


def test_every_layer_of_a_compressed_frame(talk: Capture) -> None:
    widget = WireTap(talk)
    detail = Browser(widget).does(type="select", number=2)["detail"]
    frame = widget.entry
    assert frame is not None
    layers = {layer["name"]: layer for layer in detail["layers"]}
    assert list(layers) == ["wire", "unmasked", "inflated", "message"]
    assert bytes(layers["wire"]["octets"]) == frame.data
    assert bytes(layers["inflated"]["octets"]) == b"hello, hello, hello"
    assert layers["unmasked"]["offset"] == 6
    assert layers["message"]["text"] == "hello, hello, hello"


def test_fields_of_every_entry_cover_its_bytes_as_explain_says(talk: Capture) -> None:
    widget = WireTap(talk)
    browser = Browser(widget)
    for number, entry in enumerate(widget.shown):
        detail = browser.does(type="select", number=number)["detail"]
        covered = {at for f in detail["fields"] for at in range(f["first"], f["last"] + 1)}
        assert covered <= set(range(len(entry.data)))
        if entry.name not in ("REQUEST", "RESPONSE"):
            assert covered == set(range(len(entry.data)))


def test_json_is_shown_on_lines_and_brokenness_in_words(talk: Capture) -> None:
    widget = WireTap(talk)
    browser = Browser(widget)
    hello = browser.does(type="select", number=28)["detail"]
    assert hello["layers"][-1]["text"] == '{\n  "type": "hello"\n}'
    broken = browser.does(type="select", number=29)["detail"]
    assert broken["state"] == "wrong"
    assert [f["name"] for f in broken["fields"] if f["wrong"]] == ["opcode"]


def test_long_layers_are_cut_and_say_so(talk: Capture) -> None:
    widget = WireTap(talk)
    widget.filter("binary client #1")
    detail = Browser(widget).does(type="select", number=0)["detail"]
    wire = detail["layers"][0]
    assert len(wire["octets"]) + wire["more"] == 70_014


def test_a_tap_has_a_stable_repr_and_a_stand_in(talk: Capture) -> None:
    widget = WireTap(talk)
    data, _ = widget._repr_mimebundle_()
    assert data["text/plain"] == repr(widget) == "WireTap()"
    assert 'role="img"' in data["text/html"]


# ---------------------------------------------------------------------- HandshakeLab


class HttpServer:
    """Stands for a live server: keeps what it is asked, always answers the same."""

    asked = b""

    def ask_http(self, request: bytes) -> bytes:
        self.asked = request
        return b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n"


def test_a_request_goes_over_the_wire_with_proper_line_ends() -> None:
    server = HttpServer()
    lab = HandshakeLab(server)
    lab.text = "GET / HTTP/1.1\nHost: x\n\n"
    assert lab.send_request() == 403
    assert server.asked == b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert lab.answer == "HTTP/1.1 403 Forbidden\nContent-Length: 3\nno"
    lab.text += "X: y"
    assert lab.answer == "", "an answer belongs to the request that was sent"


@pytest.mark.parametrize("name", HandshakeLab.presets)
def test_each_request_preset_is_read_as_explain_reads_it(name: str) -> None:
    lab = HandshakeLab()
    lab.load(name)
    explained = explain(lab.value, kind="request")
    assert lab.view["verdict"] == explained.verdict
    wrong = [field["name"] for field in lab.view["fields"] if field["wrong"]]
    assert set(wrong) == {name for name in [explained.culprit] if name}


def test_what_the_browser_does_in_the_handshake_lab() -> None:
    lab = HandshakeLab(HttpServer())
    browser = Browser(lab)
    lab._handle_custom_msg({"type": "load", "name": "POST"}, [])
    assert lab.text.startswith("POST")
    lab._handle_custom_msg({"type": "text", "text": "GET / HTTP/1.1"}, [])
    lab._handle_custom_msg({"type": "send"}, [])
    assert lab.view["answer"].startswith("HTTP/1.1 403")
    assert browser.got == []
    with pytest.raises(RuntimeError, match="HandshakeLab"):
        HandshakeLab().send_request()


def test_a_server_that_is_gone_is_said_in_the_lab() -> None:
    class Gone:
        def ask_http(self, request: bytes) -> bytes:
            raise ConnectionRefusedError("nobody listens")

    lab = HandshakeLab(Gone())
    assert Browser(lab).does(type="send") == {"type": "refused", "text": "nobody listens"}


def test_a_handshake_lab_leaves_a_picture() -> None:
    lab = HandshakeLab()
    data, _ = lab._repr_mimebundle_()
    assert data["text/plain"] == "HandshakeLab('GET /chat HTTP/1.1')"
    assert data["text/html"] == lab.picture().svg()
