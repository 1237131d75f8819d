"""The programs that serve: each runs with a peer that we did not write."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from goim_edu.client import connect as our_connect
from goim_edu.server import ServerConfig
from tests.chatting import run
from tests.examples.counting import EXAMPLES, PEERS
from tests.examples.serve_programs import program

CHAT = Subprotocol("goim.v1.json")


def ask(ws: ClientConnection, **request: Any) -> dict[str, Any]:
    """Say something to the chat; the answer to just that."""
    ws.send(json.dumps({"ref": request["type"], **request}))
    while True:
        answer: dict[str, Any] = json.loads(ws.recv(10))
        if answer.get("ref") == request["type"]:
            return answer


@pytest.mark.parametrize("folder", [EXAMPLES, PEERS], ids=["ours", "peer"])
def test_own_echo_server(folder: Path) -> None:
    with program(folder / "own_echo_server.py", "0") as url, connect(url) as ws:
        for message in ("Hello", b"\0\1", "好"):
            ws.send(message)
            assert ws.recv(10) == message


@pytest.mark.parametrize(
    "path",
    [
        EXAMPLES / "own_server_with_subprotocol.py",
        PEERS / "own_server_with_subprotocol.py",
        PEERS / "own_server_with_subprotocol_aiohttp.py",
    ],
    ids=["ours", "websockets", "aiohttp"],
)
def test_own_server_with_subprotocol(path: Path) -> None:
    with program(path, "0") as url:
        with urllib.request.urlopen(url.replace("ws:", "http:") + "/health") as page:
            assert page.read() == b"OK\n"
        with pytest.raises(InvalidStatus) as refused, connect(url):
            pass
        assert refused.value.response.status_code == 401
        assert b"show the token" in refused.value.response.body
        token = {"Authorization": "Bearer sesame"}
        for names, chosen, end in (
            (["quiet", "loud"], {"quiet", "loud"}, {".", "!!!"}),
            (["loud"], {"loud"}, {"!!!"}),
        ):
            offered = [Subprotocol(name) for name in names]
            with connect(url, additional_headers=token, subprotocols=offered) as ws:
                assert ws.subprotocol in chosen
                ws.send("hi")
                assert ws.recv(10) in {f"hi{mark}" for mark in end}


def test_own_authenticator() -> None:
    with program(EXAMPLES / "own_authenticator.py", "0") as url:
        with connect(url, subprotocols=[CHAT]) as ws:
            # What follows the hello at once waits until the service has answered.
            ws.send('{"type": "hello", "user_id": "lisa", "token": "sesame"}')
            assert ask(ws, type="join", room_id="lobby")["type"] == "joined"
            assert ask(ws, type="join", room_id="vault")["code"] == "forbidden"
        with connect(url, subprotocols=[CHAT]) as ws:
            answer = ask(ws, type="hello", user_id="lisa", token="guess")
            assert answer["reason"] == "this token is not yours"
            with pytest.raises(ConnectionClosed):
                ws.recv(10)
            assert ws.close_code == 4401


def test_own_store(tmp_path: Path) -> None:
    path = str(tmp_path / "chat.sqlite")
    for life in (1, 2):  # what was said in its first life is there in the second
        with program(EXAMPLES / "own_store.py", path, "0") as url:
            with connect(url, subprotocols=[CHAT]) as ws:
                ask(ws, type="hello", user_id="lisa")
                joined = ask(ws, type="join", room_id="lobby")
                assert joined["last_seq"] == 3 * (life - 1)
                for number in range(3):
                    name = f"m{life}{number}"
                    said = {"room_id": "lobby", "client_msg_id": name, "text": name}
                    ack = ask(ws, type="send", **said)
                    assert ack["seq"] == 3 * (life - 1) + number + 1
                    again = ask(ws, type="send", **said)
                    assert (again["seq"], again["duplicate"]) == (ack["seq"], True)
                ask(ws, type="join", room_id="hall")
                elsewhere = ask(ws, type="send", **said | {"room_id": "hall"})
                assert elsewhere["code"] == "bad_message"
                page = ask(ws, type="history", room_id="lobby", limit=2)
                assert [one["text"] for one in page["messages"]] == [f"m{life}1", f"m{life}2"]
                assert ask(ws, type="read", room_id="lobby", seq=9999)["code"] == "bad_message"
            health = url.replace("ws:", "http:").replace("/chat", "/healthz")
            with urllib.request.urlopen(health) as answer:
                assert json.load(answer)["store"] == f"SQLite in {path}"


def test_chat_beside_asgi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Played by a server of the kind: first the lifespan, then a request, then the end."""
    name = "chat_beside_asgi"
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.setattr(example, "CONFIG", ServerConfig(port=0))

    async def test() -> None:
        state: dict[str, Any] = {}
        to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {"type": "lifespan", "state": state}
        life = asyncio.create_task(example.app(scope, to_app.get, from_app.put))
        await to_app.put({"type": "lifespan.startup"})
        assert (await from_app.get())["type"] == "lifespan.startup.complete"
        url = state["chat"].url
        async with our_connect(url, subprotocols=["goim.v1.json"]) as ws:
            await ws.send('{"type": "hello", "user_id": "lisa"}')
            assert '"welcome"' in str(await ws.recv())
            await example.app({"type": "http", "state": state}, to_app.get, from_app.put)
            assert (await from_app.get())["status"] == 200
            assert (await from_app.get())["body"] == f"{url} 1".encode()
            await to_app.put({"type": "lifespan.shutdown"})
            assert '"draining"' in str(await ws.recv())
            await ws.wait_closed()
            assert ws.close_code == 1001
        assert (await from_app.get())["type"] == "lifespan.shutdown.complete"
        await life

    run(test())
