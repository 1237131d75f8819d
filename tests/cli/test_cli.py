"""The command line, as a process: serve, signals, and one clear line for what cannot work."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from goim_edu.cli import main
from goim_edu.mongod import LocalMongod
from tests.conftest import require_mongod

PATIENCE = 30.0
CHAT = [Subprotocol("goim.v1.json")]


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "goim_edu", *args]


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that cannot work; gives the one line that it says."""

    def run(*args: str) -> str:
        assert main(args) == 2
        told = capsys.readouterr()
        assert "listening" not in told.out
        line = told.err.strip().splitlines()[-1]
        assert line.startswith("goim_edu: "), told.err
        return line

    return run


@contextmanager
def serving(*args: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server that has said that it listens, and its port."""
    process = subprocess.Popen(
        command("serve", "--port", "0", *args),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdout is None:
            raise RuntimeError("no pipe")
        line = process.stdout.readline()
        found = re.fullmatch(r"listening on ws://127\.0\.0\.1:(\d+)\n", line)
        assert found, (line, process.communicate(timeout=PATIENCE))
        yield process, int(found[1])
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE)


def end(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    """The exit code after a signal, and what stood on stderr."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors


def ask(ws: Any, **message: Any) -> dict[str, Any]:
    ws.send(json.dumps(message))
    answer: dict[str, Any] = json.loads(ws.recv(timeout=PATIENCE))
    return answer


# ---------------------------------------------------------------------- serve


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_serving(loop: str) -> None:
    with serving("--mongo", "memory", "--loop", loop) as (process, port):
        uri = f"ws://127.0.0.1:{port}"
        with websockets.sync.client.connect(f"{uri}/chat", subprotocols=CHAT) as ws:
            welcome = ask(ws, type="hello", user_id="lisa")
            assert welcome["heartbeat"] == {"interval": 20, "timeout": 20}
            assert ask(ws, type="join", room_id="lobby")["last_seq"] == 0
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as health:
                assert "mongomock" in json.load(health)["store"]
            process.send_signal(signal.SIGTERM)
            assert json.loads(ws.recv(timeout=PATIENCE))["type"] == "draining"
            with pytest.raises(ConnectionClosed):
                ws.recv(timeout=PATIENCE)
            assert ws.close_code == 1001
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert "messages are kept in mongomock" in errors
        assert "forgets" in errors
        assert "level=INFO" in errors


def test_interrupting() -> None:
    with serving("--mongo", "memory") as (process, _):
        code, errors = end(process, signal.SIGINT)
        assert code == 0
        assert "Traceback" not in errors


def test_a_second_signal_ends_it_at_once() -> None:
    with serving("--mongo", "memory", "--close-timeout", "20", "--drain-timeout", "20") as (
        process,
        port,
    ):
        deaf = socket.create_connection(("127.0.0.1", port))
        deaf.sendall(
            b"GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n"
        )
        assert deaf.recv(1000).startswith(b"HTTP/1.1 101")
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert deaf.recv(100).startswith(b"\x88")  # it drains, and waits for our Close
        code, errors = end(process, signal.SIGTERM)
        assert code != 0
        assert time.monotonic() - begin < 10
        assert "second signal" in errors
        deaf.close()


def test_flags_reach_the_server() -> None:
    options = ("--heartbeat-interval", "7.5", "--heartbeat-timeout", "3", "--rate", "9")
    more = ("--max-text", "5", "--max-message-size", "500", "--no-compression")
    with (
        serving("--mongo", "memory", *options, *more) as (_, port),
        websockets.sync.client.connect(f"ws://127.0.0.1:{port}/chat", subprotocols=CHAT) as ws,
    ):
        assert ws.response is not None
        assert "Sec-WebSocket-Extensions" not in ws.response.headers
        welcome = ask(ws, type="hello", user_id="lisa")
        assert welcome["heartbeat"] == {"interval": 7.5, "timeout": 3}
        assert welcome["limits"] == {"text": 5, "rooms": 50, "rate": 9}
        ws.send("x" * 501)
        with pytest.raises(ConnectionClosed):
            ws.recv(timeout=PATIENCE)
        assert ws.close_code == 1009


def test_a_real_mongod_remembers(mongod: LocalMongod) -> None:
    for turn in (1, 2):
        with (
            serving("--mongo", mongod.uri, "--log-level", "warning") as (process, port),
            websockets.sync.client.connect(f"ws://127.0.0.1:{port}/chat", subprotocols=CHAT) as ws,
        ):
            ask(ws, type="hello", user_id="lisa")
            room = "remembered by the command line"
            assert ask(ws, type="join", room_id=room)["last_seq"] == turn - 1
            sent = ask(ws, type="send", room_id=room, client_msg_id=f"cli{turn}", text="hi")
            assert (sent["type"], sent["seq"]) == ("ack", turn)
            assert end(process, signal.SIGTERM)[0] == 0


def test_a_mongod_of_its_own_remembers_and_ends_with_it(tmp_path: Path) -> None:
    require_mongod()
    for turn in (1, 2):
        with (
            serving("--mongo", "local", "--data-dir", str(tmp_path)) as (process, port),
            websockets.sync.client.connect(f"ws://127.0.0.1:{port}/chat", subprotocols=CHAT) as ws,
        ):
            ask(ws, type="hello", user_id="lisa")
            assert ask(ws, type="join", room_id="lobby")["last_seq"] == turn - 1
            sent = ask(ws, type="send", room_id="lobby", client_msg_id=f"m{turn}", text="hi")
            assert sent["seq"] == turn
            assert end(process, signal.SIGTERM)[0] == 0


# ---------------------------------------------------------------------- what cannot work


def test_nobody_at_the_uri() -> None:
    """As a process, since this is what a user sees: one line, no traceback, exit code 2."""
    done = subprocess.run(
        command("serve", "--mongo", "mongodb://127.0.0.1:1/"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"goim_edu: .*127\.0\.0\.1:1.*\n", done.stderr)


@pytest.mark.parametrize("uri", ["nonsense", "mongo://localhost", "mongodb://", "mongodb://h:x/"])
def test_a_uri_that_is_none(uri: str, fails: Callable[..., str]) -> None:
    fails("serve", "--mongo", uri)


def test_a_port_that_is_taken(fails: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = fails("serve", "--mongo", "memory", "--port", port)
        assert f"cannot listen on 127.0.0.1:{port}" in line


def test_a_data_dir_that_is_a_file(tmp_path: Path, fails: Callable[..., str]) -> None:
    require_mongod()
    (tmp_path / "file").write_text("in the way")
    fails("serve", "--mongo", "local", "--data-dir", str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--host", "0.0.0.0"), "--insecure"),
        (("--host", "no.such.host.invalid", "--insecure"), "cannot listen"),
        (("--auth", "jwt"), "--jwt-secret"),
        (("--auth", "jwt", "--jwt-secret", "/nowhere/secret"), "/nowhere/secret"),
        (("--tls-cert", "/nowhere/cert"), "--tls-key"),
        (("--tls-cert", "/nowhere/cert", "--tls-key", "/nowhere/key"), "/nowhere/cert"),
    ],
)
def test_options_that_cannot_work(
    options: tuple[str, ...], why: str, fails: Callable[..., str]
) -> None:
    assert why in fails("serve", "--mongo", "memory", "--port", "0", *options)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("nonsense",),
        ("serve", "--port", "99999"),
        ("serve", "--port", "-1"),
        ("serve", "--port", "http"),
        ("serve", "--rate", "0"),
        ("serve", "--rate", "nan"),
        ("serve", "--rate", "inf"),
        ("serve", "--heartbeat-timeout", "0"),
        ("serve", "--heartbeat-interval", "-1"),
        ("serve", "--jwt-leeway", "-1"),
        ("serve", "--jwt-leeway", "nan"),
        ("serve", "--max-message-size", "0"),
        ("serve", "--max-message-size", "1e3"),
        ("serve", "--loop", "trio"),
        ("serve", "--auth", "basic"),
        ("serve", "extra"),
    ],
)
def test_usage_errors(options: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(options)
    assert left.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_help_is_quick_and_complete(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["serve", "--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    for flag in (
        *("--host", "--port", "--mongo", "--loop", "--data-dir", "--max-message-size"),
        *("--no-compression", "--heartbeat-interval", "--heartbeat-timeout", "--rate", "--auth"),
        *("--tls-cert", "--tls-key", "--insecure"),
    ):
        assert flag in told
    code = "import sys, goim_edu.cli; print(*{'asyncio','pymongo','jwt'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pymongo" not in done.stdout
    assert "jwt" not in done.stdout


def test_warned_but_willing() -> None:
    with serving("--mongo", "memory", "--insecure") as (process, _):
        assert "insecure" not in end(process, signal.SIGTERM)[1]
    process = subprocess.Popen(
        command("serve", "--port", "0", "--host", "0.0.0.0", "--mongo", "memory", "--insecure"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdout is None:
            raise RuntimeError("no pipe")
        assert process.stdout.readline().startswith("listening on ws://0.0.0.0:")
        code, errors = end(process, signal.SIGTERM)
        assert code == 0
        assert "level=WARNING" in errors
        assert "no authentication and no TLS" in errors
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)
