"""What the chat server is given by its operator: authenticators, stores, hooks, registries."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from prometheus_client import CollectorRegistry, generate_latest

from goim_edu.client import connect
from goim_edu.server import (
    ChatServer,
    Identity,
    Route,
    ServerConfig,
    ServerHooks,
    Unauthenticated,
    UnsafeConfig,
    WebSocket,
)
from goim_edu.store import MemoryBackend, MessageStore, open_store
from tests.chatting import Person, http, run, until


def server_with(store: MessageStore | None = None, **given: Any) -> ChatServer:
    config = ServerConfig.of(port=0, **given.pop("settings", {}))
    return ChatServer(config, store or open_store("memory"), **given)


def faults(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The first words of what was logged as an error."""
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    return [" ".join(line.split()[:2]) for line in lines]


# ---------------------------------------------------------------------- authenticators


def sesame(user_id: str, token: str | None) -> Identity:
    if token == "crash":
        raise KeyError("oops")
    if token == "nonsense":
        return user_id  # type: ignore[return-value]
    if token == "cancelled":
        raise asyncio.CancelledError
    if token != "sesame":
        raise Unauthenticated("say the word")
    return Identity(user_id.title(), rooms=frozenset({"lobby"}))


async def later(user_id: str, token: str | None) -> Identity:
    await asyncio.sleep(0)
    return sesame(user_id, token)


@pytest.mark.parametrize("authenticate", [sesame, later])
def test_an_authenticator_of_ones_own(authenticate: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with server_with(authenticate=authenticate) as server:
            lisa = await Person.come(server)
            # All at once: what follows the hello waits for its check.
            await lisa.tell(type="hello", user_id="lisa", token="sesame")
            await lisa.tell(type="join", room_id="lobby")
            await lisa.tell(type="join", room_id="vault")
            await lisa.tell(type="send", room_id="lobby", client_msg_id="m1", text="hi")
            assert (await lisa.hear("welcome"))["user_id"] == "Lisa"
            assert (await lisa.hear("error"))["code"] == "forbidden"
            assert (await lisa.hear("message"))["user_id"] == "Lisa"
            assert "/echo" not in server.handlers  # it asks nobody for a name
            eve = await Person.come(server)
            answer = await eve.ask(type="hello", user_id="eve", token="guess")
            assert (answer["code"], answer["reason"]) == ("unauthenticated", "say the word")
            assert (await eve.closed())[0] == 4401

    run(test())
    assert not faults(caplog)


@pytest.mark.parametrize(
    ("authenticate", "token"),
    [
        *((sesame, "crash"), (sesame, "nonsense")),
        *((later, "crash"), (later, "nonsense"), (later, "cancelled")),
    ],
)
def test_an_authenticator_that_fails(
    authenticate: Any, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its client is told ``internal`` and 1011, which mean: come again; the others go on."""

    async def test() -> None:
        async with server_with(authenticate=authenticate) as server:
            tom = await Person.come(server)
            await tom.ask(type="hello", user_id="tom", token="sesame")
            lisa = await Person.come(server)
            answer = await lisa.ask(type="hello", user_id="lisa", token=token)
            assert (answer["type"], answer["code"]) == ("error", "internal")
            assert (await lisa.closed())[0] == 1011
            assert (await tom.join())["type"] == "joined"

    run(test())
    assert faults(caplog) == ["request failed"]


def test_an_authenticator_that_never_answers() -> None:
    cancelled = []

    async def never(user_id: str, token: str | None) -> Identity:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(user_id)
            raise
        raise AssertionError

    async def test() -> None:
        limits = {"hello_timeout": 0.2}
        async with server_with(authenticate=never, settings=limits) as server:
            lisa, tom = await Person.come(server), await Person.come(server)
            await lisa.tell(type="hello", user_id="lisa")
            await tom.tell(type="hello", user_id="tom")
            tom.go()
            assert (await lisa.hear("error"))["reason"] == "your name was not checked in time"
            assert (await lisa.closed())[0] == 4408
            await until(lambda: sorted(cancelled) == ["lisa", "tom"])

    run(test())


def test_there_is_one_authenticator(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 40)
    with pytest.raises(ValueError, match="either authenticate"):
        server_with(authenticate=sesame, settings={"auth": "jwt", "jwt_secret": str(secret)})


def test_what_is_given_guards_a_server_that_others_can_reach() -> None:
    beyond = {"host": "0.0.0.0"}
    with pytest.raises(UnsafeConfig, match="auth='jwt'"):
        server_with(settings=beyond)
    server_with(settings=beyond, authenticate=sesame)
    server_with(settings=beyond, ssl=ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))


# ---------------------------------------------------------------------- stores


class Failing(MessageStore):
    """A store with mistakes in it."""

    fault: Callable[[], Any] | None = None

    def _fail(self) -> Any:
        return self.fault() if self.fault is not None else None

    def submit_async(self, *message: str, client_msg_id: str) -> Any:
        done = asyncio.get_running_loop().create_future()
        if self.fault is None:
            return super().submit_async(*message, client_msg_id=client_msg_id)
        if message[2] == "later":
            asyncio.get_running_loop().call_soon(self._answer, done)
            return done
        return self._fail()

    def _answer(self, done: asyncio.Future[Any]) -> None:
        try:
            done.set_result(self._fail())
        except asyncio.CancelledError:
            done.cancel()
        except Exception as error:  # noqa: BLE001
            done.set_exception(error)

    def history(self, *args: Any, **options: Any) -> Any:
        return super().history(*args, **options) if self.fault is None else self._fail()

    def last_seq(self, room_id: str) -> Any:
        return super().last_seq(room_id) if self.fault is None else self._fail()

    def ping(self) -> Any:
        return super().ping() if self.fault is None else self._fail()

    def flush(self, timeout: float | None = None) -> Any:
        return super().flush(timeout) if self.fault is None else self._fail()


def broken() -> Any:
    raise KeyError("oops")


def cancelled() -> Any:
    raise asyncio.CancelledError


@pytest.mark.parametrize("fault", [broken, lambda: "nonsense"])
def test_a_store_with_mistakes_in_it(
    fault: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Each request is answered ``internal``, logged once, and the session goes on."""

    async def test() -> None:
        store = Failing(MemoryBackend())
        async with server_with(store) as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join()
            store.fault = fault
            requests: tuple[dict[str, Any], ...] = (
                {"type": "send", "room_id": "lobby", "client_msg_id": "a", "text": "now"},
                {"type": "send", "room_id": "lobby", "client_msg_id": "b", "text": "later"},
                {"type": "history", "room_id": "lobby"},
                {"type": "join", "room_id": "other", "since": 0},
            )
            for number, request in enumerate(requests, 1):
                answer = await lisa.ask(**request)
                assert (answer["type"], answer["code"]) == ("error", "internal"), request
                assert len(faults(caplog)) == number
            assert list(server.hub.rooms) == ["lobby"]  # it is not left half in the other
            status, _, body = await http(server.port, "/healthz")
            if fault is broken:
                assert (status, json.loads(body)["status"]) == (503, "store down")
            store.fault = None
            assert (await lisa.say("as before", "m1"))["type"] == "ack"
            store.fault = broken
        assert "the store failed" in caplog.text

    run(test())


def test_a_store_that_forgets_its_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        store = Failing(MemoryBackend())
        async with server_with(store) as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join()
            store.fault = cancelled
            assert (await lisa.say("later", "m1"))["code"] == "internal"
            store.fault = None

    run(test())
    assert faults(caplog) == ["request failed"]


# ---------------------------------------------------------------------- hooks, metrics, routes


class Diary(ServerHooks):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_hello(self, user_id: str, remote: str) -> None:
        self.lines.append(f"{user_id} came from {remote}")

    def on_message(self, message: Any) -> None:
        self.lines.append(f"{message.user_id} said {message.text}")
        raise KeyError("a mistake")

    def on_gone(self, user_id: str) -> None:
        self.lines.append(f"{user_id} went")


def test_hooks(caplog: pytest.LogCaptureFixture) -> None:
    diary = Diary()

    async def test() -> None:
        async with server_with(hooks=diary) as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join()
            for _ in range(2):  # the second is a duplicate, which nobody is told of
                assert (await lisa.say("hi", "m1"))["type"] == "ack"
            lisa.go()
            await until(lambda: len(diary.lines) == 3)

    run(test())
    assert diary.lines == ["lisa came from 127.0.0.1", "lisa said hi", "lisa went"]
    assert faults(caplog) == ["a hook"]


def test_metrics_in_a_registry_of_ones_own() -> None:
    registry = CollectorRegistry()

    async def test() -> None:
        async with server_with(registry=registry, settings={"metrics": False}) as server:
            await Person.come(server, "lisa")
            assert b"goim_sessions 1.0" in generate_latest(registry)
            assert (await http(server.port, "/metrics"))[0] == 404
        assert b"goim_" not in generate_latest(registry)
        async with server_with(registry=registry) as server:  # the next one finds it free
            assert b"goim_sessions 0.0" in (await http(server.port, "/metrics"))[2]
            with pytest.raises(ValueError, match="Duplicated"):
                await server_with(registry=registry).start()

    run(test())


def test_health_and_metrics_can_be_turned_off() -> None:
    async def test() -> None:
        async with server_with(settings={"metrics": False, "health": False}) as server:
            for path in ("/healthz", "/metrics"):
                assert (await http(server.port, path))[0] == 404

    run(test())


def test_a_route_with_subprotocols_and_tls_of_ones_own() -> None:
    async def name(ws: WebSocket) -> None:
        await ws.send(ws.subprotocol or "none")

    authority = trustme.CA()
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(ours)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def test() -> None:
        routes = {"/name": Route(name, subprotocols=["b", "a"]), "/plain": name}
        async with server_with(routes=routes, ssl=ours) as server:
            assert server.url.startswith("wss://")
            for path, wanted in (("/name", "a"), ("/plain", "none")):
                url = f"{server.base_url}{path}"
                async with connect(url, ssl=trusting, subprotocols=["a", "b"]) as ws:
                    assert await ws.recv() == wanted

    run(test())


# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("port", "80"), ("port", True), ("host", ""), ("host", None), ("limits", 3)),
        *(("rate", -1), ("burst", 1.5), ("max_text", -1), ("hello_timeout", "10")),
        *(("open_timeout", 0), ("max_message_size", 0), ("max_message_size", 10**19)),
        *(("heartbeat_interval", -5), ("hsts", 1.5), ("insecure", 1), ("compression", "yes")),
        *(("auth", "basic"), ("auth", None), ("tls_cert", 5), ("jwt_secret", "")),
        *(("origins", "https://a"), ("origins", ["http://a/b"]), ("origins", [5])),
        *(("hosts", ["https://a"]), ("trusted_proxies", ["x"]), ("jwt_audience", "chat")),
    ],
)
def test_a_wrong_setting_is_named_as_it_was_written(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name}") as told:
        ServerConfig.of(**{name: value})
    assert "--" not in str(told.value)


def test_paths_may_be_text_and_names_lists(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 40)
    config = ServerConfig(auth="jwt", jwt_secret=str(secret), hosts=["a.example"])
    config.check()
    assert (config.jwt_secret, config.hosts) == (secret, ("a.example",))
    for settings in (
        {"jwt_secret": str(secret)},
        {"auth": "jwt"},
        {"tls_cert": str(secret)},
        {"host": "0.0.0.0"},
    ):
        with pytest.raises(ValueError) as told:
            ServerConfig(**settings).check()  # type: ignore[arg-type]
        assert "--" not in str(told.value)
