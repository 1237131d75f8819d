"""DeflateLab's Python side: its sizes are those of the codec, its frames are those of the wire."""

from __future__ import annotations

import os
from typing import Any

import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.deflate import PerMessageDeflate
from goim_edu.widgets import DeflateLab
from tests.widgets.test_widgets import VIEW, Browser

MESSAGES = st.lists(st.text(max_size=60) | st.binary(max_size=60), max_size=5)
LONG = os.urandom(600).hex()


def as_octets(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


@given(MESSAGES, st.sampled_from(["client", "server"]), st.booleans(), st.integers(9, 15))
@settings(max_examples=40, deadline=None)
def test_a_receiver_of_these_frames_gets_the_messages(
    messages: Any, sender: str, takeover: bool, window_bits: int
) -> None:
    lab = DeflateLab(messages, sender=sender)
    lab.takeover, lab.window_bits = takeover, window_bits
    frames = FrameDecoder(masked=sender == "client", allow_rsv1=True).feed(b"".join(lab.frames))
    receiver = PerMessageDeflate(lab.params, server=sender == "client")
    got = [receiver.decompress(frame.payload, True, 1000) for frame in frames]
    assert got == [as_octets(message) for message in messages]
    assert all(frame.rsv1 for frame in frames)
    assert [size.compressed for size in lab.sizes] == [len(frame.payload) for frame in frames]
    assert [size.plain for size in lab.sizes] == list(map(len, got))


def test_without_takeover_each_message_starts_with_an_empty_window() -> None:
    lab = DeflateLab(["tick tick"] * 3)
    first, second, third = (size.compressed for size in lab.sizes)
    assert first > second >= third
    assert lab.view["takeover"]
    lab.takeover = False
    assert [size.compressed for size in lab.sizes] == [first] * 3
    assert [row["off"] for row in lab.view["rows"]] == [first] * 3
    assert [row["on"] for row in lab.view["rows"]] == [first, second, third]
    assert "server_no_context_takeover" in lab.answer


def test_a_small_window_does_not_reach_back_far() -> None:
    lab = DeflateLab([LONG, LONG])
    reached = lab.sizes[1].compressed
    assert reached < 100
    lab.window_bits = 9
    assert lab.sizes[1].compressed > 500
    assert "server_max_window_bits=9" in lab.answer
    assert lab.offer.startswith("permessage-deflate; server_max_window_bits=9")


def test_the_settings_are_those_of_the_sender() -> None:
    lab = DeflateLab(["tick", "tick"], sender="client")
    lab.takeover, lab.window_bits = False, 10
    assert (lab.client_takeover, lab.client_window_bits) == (False, 10)
    assert (lab.server_takeover, lab.server_window_bits) == (True, 12)
    assert lab.params == (False, True, 12, 10)
    lab.sender = "server"
    assert (lab.takeover, lab.window_bits) == (True, 12)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_window_has_9_to_15_bits(bits: int) -> None:
    lab = DeflateLab()
    with pytest.raises(traitlets.TraitError):
        lab.window_bits = bits
    assert lab.window_bits == 12


def test_memory_is_kept_only_with_takeover() -> None:
    lab = DeflateLab()
    assert lab.memory == (38 * 1024, 11 * 1024), "as the docstring of DeflateConfig says"
    assert "38 KiB to compress + 11 KiB to decompress" in lab.view["memory"]
    lab.server_takeover = False
    assert lab.memory == (0, 11 * 1024)
    lab.client_takeover = False
    assert lab.memory == (0, 0)
    assert lab.view["memory"].startswith("nothing")
    lab.server_takeover, lab.server_window_bits = True, 15
    assert lab.memory.compressor == 150 * 1024


def test_messages_come_and_go() -> None:
    lab = DeflateLab([])
    assert (lab.sizes, lab.ratio, lab.selected) == ([], 0.0, -1)
    size = lab.add("Hello Hello Hello")
    assert size == lab.sizes[0] == (17, size.compressed)
    assert lab.ratio == size.compressed / 17
    lab.add(b"\x00\xff")
    assert lab.selected == 1
    lab.select(0)
    lab.remove(0)
    assert (lab.messages, lab.selected) == ([b"\x00\xff"], 0)
    with pytest.raises(IndexError, match="there are 1"):
        lab.remove(1)
    lab.clear()
    assert (lab.messages, lab.selected) == ([], -1)
    lab.messages = ["a", "b"]
    assert lab.selected == 1
    with pytest.raises(KeyError):
        lab.load("no such")


@pytest.mark.parametrize(
    ("messages", "said"),
    [(["x"] * 101, "at most 100 messages"), (["x" * 16_385], "at most 16,384 octets, not 16,385")],
)
def test_a_series_is_bounded(messages: list[str], said: str) -> None:
    with pytest.raises(traitlets.TraitError, match=said):
        DeflateLab(messages)
    lab = DeflateLab(["a"])
    with pytest.raises(traitlets.TraitError, match=said):
        lab.messages = messages
    assert lab.messages == ["a"]


@pytest.mark.parametrize("name", DeflateLab.presets)
def test_each_series_shows_what_it_is_there_for(name: str) -> None:
    lab = DeflateLab(name)
    totals = {}
    for takeover in (True, False):
        lab.takeover = takeover
        totals[takeover] = sum(size.compressed for size in lab.sizes)
    random = name == "octets without a pattern"
    assert totals[True] < totals[False] or random
    chosen = lab.view["chosen"]
    assert [field["name"] for field in chosen["fields"]][:3] == ["FIN", "RSV1", "RSV2"]
    assert chosen["bits"][0] & 0x40
    assert "did not get shorter" in chosen["note"] or not random


def test_the_long_list_needs_more_than_the_smallest_window() -> None:
    lab = DeflateLab("a long list, sent three times")
    wide = lab.ratio
    lab.window_bits = 9
    assert lab.ratio > wide * 1.5


def test_what_the_browser_does_in_the_deflate_lab() -> None:
    lab = DeflateLab(["tick"])
    browser = Browser(lab)
    assert browser.does(type="draft", text="tick") == {
        "type": "draft",
        "plain": 4,
        "compressed": DeflateLab(["tick", "tick"]).sizes[1].compressed,
    }
    lab._handle_custom_msg({"type": "add", "text": "tick"}, [])
    lab._handle_custom_msg({"type": "select", "number": 0}, [])
    lab._handle_custom_msg({"type": "select", "number": 7}, [])
    assert (len(lab.messages), lab.selected) == (2, 0)
    lab._handle_custom_msg({"type": "set", "name": "server_window_bits", "value": 9}, [])
    lab._handle_custom_msg({"type": "set", "name": "messages", "value": []}, [])
    assert (len(lab.messages), lab.window_bits) == (2, 9)
    assert "9" in browser.does(type="set", name="server_window_bits", value=99)["text"]
    assert "16,384" in browser.does(type="add", text="x" * 20_000)["text"]
    lab._handle_custom_msg({"type": "remove", "number": 0}, [])
    lab._handle_custom_msg({"type": "load", "name": DeflateLab.presets[1]}, [])
    assert lab.view["rows"][0]["text"] == "tick"
    lab._handle_custom_msg({"type": "clear"}, [])
    assert lab.view["chosen"] is None


def test_a_deflate_lab_leaves_a_picture() -> None:
    lab = DeflateLab(["tick", "tick"])
    data, _ = lab._repr_mimebundle_()
    assert VIEW in data
    assert data["text/plain"] == "DeflateLab(2 messages, takeover=True, window_bits=12)"
    assert data["text/html"] == lab.picture().svg() == lab.view["chosen"]["picture"]
    lab.clear()
    assert repr(lab) == "DeflateLab(0 messages, takeover=True, window_bits=12)"
    assert "appear here" in lab._repr_mimebundle_()[0]["text/html"]
    with pytest.raises(ValueError, match="no message"):
        lab.picture()
