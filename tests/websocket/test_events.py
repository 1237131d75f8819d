"""Events: tuples that know their kind."""

from __future__ import annotations

import copy
import inspect
import pickle
import pydoc
from typing import cast

import pytest

from goim_edu.websocket.event_type import maker_of
from goim_edu.websocket.events import (
    BinaryMessage,
    Closed,
    CloseReceived,
    Ping,
    Pong,
    TextMessage,
)


def test_events_are_equal_within_their_kind() -> None:
    assert Ping(b"1") == Ping(b"1")
    ping, pong = cast("tuple[object, object]", (Ping(b"1"), Pong(b"1")))
    assert ping != pong
    assert Ping(b"1") != Ping(b"2")
    assert Ping(b"1") != (b"1",)
    assert len({Ping(b"1"), Ping(b"1"), Pong(b"1")}) == 2


def test_events_have_named_fields() -> None:
    event = Closed(1000, "bye", clean=True)
    code, reason, clean = event
    assert (event.code, event.reason, event.clean) == (code, reason, clean)
    assert repr(event) == "Closed(code=1000, reason='bye', clean=True)"
    with pytest.raises(TypeError):
        CloseReceived(1000)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        event.code = 1001  # type: ignore[misc]


def test_a_tooltip_shows_the_fields_and_what_the_event_means() -> None:
    assert str(inspect.signature(TextMessage)) == "(data: str)"
    assert str(inspect.signature(Closed)) == "(code: int, reason: str, clean: bool)"
    assert (TextMessage.__doc__ or "").startswith("A whole text message (RFC 6455 §5.6).\n")
    assert len(pydoc.render_doc(TextMessage).splitlines()) < 35
    assert [name for name in dir(Closed) if name[0] != "_"] == ["clean", "code", "reason"]
    assert (TextMessage.__module__, TextMessage.__qualname__) == (
        "goim_edu.websocket.events",
        "TextMessage",
    )


def test_events_can_be_copied() -> None:
    for event in (TextMessage("Hello"), CloseReceived(1000, ""), BinaryMessage(b"")):
        assert copy.deepcopy(event) == event
        assert pickle.loads(pickle.dumps(event)) == event


def test_events_made_in_bulk_are_the_same() -> None:
    (event,) = map(maker_of(TextMessage), [("Hello",)])
    assert event == TextMessage("Hello")
    assert type(event) is TextMessage
