"""The tunnel: a client in the kernel speaks for a script that cannot reach the server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from goim_edu.lab import LiveServer
from goim_edu.runtime import Browser, Native, Platform, use
from goim_edu.widgets import ChatPanel
from goim_edu.widgets.tunnel import Tunnel

SUBPROTOCOLS = ["goim.v1.json"]


@pytest.fixture(params=[Native, Browser])
def live(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    """With threads and sockets, and with neither."""
    chosen: Platform = request.param()
    with use(chosen):
        with LiveServer("memory", name="tunnel tests", close_timeout=0.2) as server:
            yield server
        if isinstance(chosen, Browser):
            chosen.close()


class Script:
    """What the script in a browser is told."""

    def __init__(self, live: LiveServer, url: str | None = None) -> None:
        self.live = live
        self.heard: list[dict[str, Any]] = []
        self.tunnel = Tunnel(lambda: url or live.url, self.heard.append)

    def say(self, what: str, link: str = "a", **more: Any) -> None:
        assert self.tunnel.receive({"type": f"tunnel-{what}", "link": link, **more})

    def request(self, **message: Any) -> None:
        self.say("send", data=json.dumps(message))

    def until(self, done: Callable[[], object]) -> None:
        background = self.live._background
        assert background is not None
        assert background.wait_for(lambda: bool(done()), 10), self.heard

    def told(self, what: str) -> list[dict[str, Any]]:
        return [one for one in self.heard if one["type"] == f"tunnel-{what}"]


def test_a_script_chats_through_it(live: LiveServer) -> None:
    script = Script(live)
    script.say("open", subprotocols=SUBPROTOCOLS)
    script.until(lambda: script.told("opened"))
    assert script.told("opened")[0]["subprotocol"] == "goim.v1.json"
    script.request(type="hello", user_id="ada")
    script.request(type="join", room_id="lobby")
    script.request(type="send", room_id="lobby", client_msg_id="m1", text="你好")
    script.until(lambda: any('"ack"' in one["data"] for one in script.told("message")))
    assert [one.text for one in live.store.history("lobby")] == ["你好"]
    script.say("close")
    script.until(lambda: script.told("closed"))
    assert script.told("closed") == [
        {"type": "tunnel-closed", "link": "a", "code": 1000, "reason": ""}
    ]
    script.tunnel.close()


def test_several_links_do_not_mix(live: LiveServer) -> None:
    script = Script(live, live.echo_url)
    for link in "ab":
        script.say("open", link, subprotocols=[])
    script.until(lambda: len(script.told("opened")) == 2)
    script.say("send", "a", data="from a")
    script.say("send", "b", data="from b")
    script.until(lambda: len(script.told("message")) == 2)
    assert {(one["link"], one["data"]) for one in script.told("message")} == {
        ("a", "from a"),
        ("b", "from b"),
    }
    script.tunnel.close()
    assert {one["link"] for one in script.told("closed")} == {"a", "b"}
    script.tunnel.close()


def test_a_server_that_is_not_there_is_an_end(live: LiveServer) -> None:
    script = Script(live, "ws://127.0.0.1:1/chat")
    script.say("open", subprotocols=[])
    script.until(lambda: script.told("closed"))
    [end] = script.told("closed")
    assert end["code"] == 1006
    assert end["reason"]
    script.say("send", data="to nobody")
    script.say("close")
    script.tunnel.close()


def test_a_panel_says_how_it_is_reached_and_passes_on(live: LiveServer) -> None:
    panel = ChatPanel(live, ["ada"])
    sent: list[dict[str, Any]] = []
    panel._tunnel = Tunnel(lambda: panel.url, sent.append)
    panel._receive(None, {"type": "tunnel-open", "link": "a", "subprotocols": SUBPROTOCOLS}, None)
    background = live._background
    assert background is not None
    assert background.wait_for(lambda: bool(sent), 10)
    assert sent[0]["type"] == "tunnel-opened"
    assert "new Tunnel(" in str(panel._esm)
    assert "class Tunnel" in str(panel._esm)
    panel.close()
    until = time.monotonic() + 5
    while time.monotonic() < until and sent[-1]["type"] != "tunnel-closed":
        background.wait_for(lambda: False, 0.01)
    assert sent[-1]["type"] == "tunnel-closed"
