"""``serve --workers``: one port, one chat, several processes, and a parent for them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from goim_edu.mongod import LocalReplicaSet

PATIENCE = 30.0
CHAT = [Subprotocol("goim.v1.json")]


class Family:
    """A parent and its workers."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self.port = 0

    def wait_until_ready(self) -> None:
        until(lambda: "\nlistening on" in "\n" + self.log.read_text() or self.ended)
        listening = re.search(r"^listening on ws://127.0.0.1:(\d+)$", self.log.read_text(), re.M)
        assert listening, self.log.read_text()
        self.port = int(listening[1])

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def workers(self) -> list[psutil.Process]:
        """The processes that serve, by number."""
        return psutil.Process(self.process.pid).children()

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def figure(self, name: str) -> float:
        found = re.search(rf"^{name} (\S+)$", self.get("/metrics")[1], re.M)
        assert found, name
        return float(found[1])

    @contextmanager
    def come(self, name: str) -> Iterator[ClientConnection]:
        url = f"ws://127.0.0.1:{self.port}/chat"
        with connect(url, subprotocols=CHAT, proxy=None) as ws:
            ws.send(json.dumps({"type": "hello", "user_id": name}))
            assert json.loads(ws.recv(PATIENCE))["type"] == "welcome"
            yield ws


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def family(
    members: LocalReplicaSet, tmp_path: Path, *options: str, ready: bool = True
) -> Iterator[Family]:
    log = tmp_path / "log"
    words = [sys.executable, "-m", "goim_edu", "serve", "--workers", "3", "--port", "0", *options]
    environment = {**os.environ, "GOIM_MONGO_URI": members.uri}
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out, env=environment)
    found = Family(process, log)
    children: list[psutil.Process] = []
    try:
        if ready:
            found.wait_until_ready()
            children = found.workers()
        yield found
    finally:
        if not found.ended:
            process.kill()
        process.wait(PATIENCE)
        for child in children:
            if child.is_running():
                child.kill()


@pytest.fixture(scope="module")
def running(
    replica_set: LocalReplicaSet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Family]:
    folder = tmp_path_factory.mktemp("workers")
    with family(replica_set, folder, "--log-level", "warning") as found:
        yield found


def test_one_line_says_that_all_listen(running: Family) -> None:
    assert running.log.read_text().count("listening on") == 1
    assert running.log.read_text().count("messages are kept") == 1
    assert len(running.workers()) == 3


def test_connections_spread_and_the_figures_add_up(running: Family) -> None:
    with ExitStack() as stack:
        for number in range(40):
            stack.enter_context(running.come(f"user {number}"))
        assert running.figure("goim_sessions") == 40
        status, text = running.get("/healthz")
        health = json.loads(text)
        assert (status, health["status"], health["sessions"]) == (200, "ok", 40)
        each = [worker["sessions"] for worker in health["workers"]]
        assert (len(each), sum(each)) == (3, 40)
        assert max(each) < 40


def test_one_chat_whichever_worker_one_is_at(running: Family) -> None:
    with ExitStack() as stack:
        people = [stack.enter_context(running.come(f"person {number}")) for number in range(12)]
        for ws in people:
            ws.send('{"type": "join", "room_id": "hall"}')
            while json.loads(ws.recv(PATIENCE))["type"] != "joined":
                pass
        for number, ws in enumerate(people):
            text = {"type": "send", "room_id": "hall", "text": "hi", "client_msg_id": f"m{number}"}
            ws.send(json.dumps(text))
        for ws in people:
            seqs: list[int] = []
            while len(seqs) < len(people):
                told = json.loads(ws.recv(PATIENCE))
                seqs += [told["seq"]] if told["type"] == "message" else []
            assert seqs == list(range(1, len(people) + 1))


def test_a_worker_that_dies_comes_back_and_harms_nobody(running: Family) -> None:
    before = {child.pid for child in running.workers()}
    with ExitStack() as stack:
        people = [stack.enter_context(running.come(f"one {number}")) for number in range(20)]
        victim = running.workers()[0]
        victim.kill()
        until(lambda: len({child.pid for child in running.workers()} - before) == 1)
        alive = 0
        for ws in people:
            try:
                ws.ping().wait(PATIENCE)
                ws.send('{"type": "join", "room_id": "still here", "ref": "j"}')
                alive += '"joined"' in str(ws.recv(PATIENCE))
            except Exception:  # noqa: BLE001 - it was at the one that died
                continue
        assert 0 < alive < len(people)
        until(lambda: running.get("/healthz")[0] == 200)
        assert running.figure("goim_sessions") == alive
        assert "worker died" in running.log.read_text()


def test_a_worker_that_hangs_makes_the_family_unwell(running: Family) -> None:
    children = running.workers()
    with running.come("somebody"):  # at one of them
        victim = children[-1]
        victim.suspend()
        try:
            until(lambda: _health_or_nothing(running) == (503, "a worker is down"))
        finally:
            victim.resume()
    until(lambda: running.get("/healthz")[0] == 200)


def _health_or_nothing(running: Family) -> tuple[int, str] | None:
    """A request may go to the worker that hangs."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/healthz", timeout=4) as page:
            return page.status, json.load(page)["status"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["status"]
    except OSError:
        return None


def test_bounds_hold_for_all_together(replica_set: LocalReplicaSet, tmp_path: Path) -> None:
    options = "--max-connections", "10", "--log-level", "error", "--open-timeout", "60"
    with family(replica_set, tmp_path, *options) as running, ExitStack() as stack:

        def is_refused() -> bool:
            link = stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
            link.settimeout(0.3)
            try:
                return link.recv(100).startswith(b"HTTP/1.1 503")
            except TimeoutError:
                return False

        assert [is_refused() for _ in range(16)] == [False] * 10 + [True] * 6
        for worker in running.workers():  # their places are free again
            worker.kill()
        until(lambda: len(running.workers()) == 3 and _comes(running))


def _comes(running: Family) -> bool:
    try:
        with running.come("another"):
            return True
    except (OSError, WebSocketException):
        return False


def test_a_signal_drains_them_all(replica_set: LocalReplicaSet, tmp_path: Path) -> None:
    with family(replica_set, tmp_path) as running, ExitStack() as stack:
        people = [stack.enter_context(running.come(f"user {number}")) for number in range(10)]
        children = running.workers()
        running.process.send_signal(signal.SIGHUP)  # no certificate: nothing happens
        running.process.send_signal(signal.SIGTERM)
        told = [json.loads(ws.recv(PATIENCE)) for ws in people]
        assert {one["type"] for one in told} == {"draining"}
        assert len({one["reconnect_after_ms"] for one in told}) > 5
        assert running.process.wait(PATIENCE) == 0, running.log.read_text()
        assert not any(child.is_running() for child in children)


def test_workers_end_with_their_parent(replica_set: LocalReplicaSet, tmp_path: Path) -> None:
    with family(replica_set, tmp_path) as running:
        children = running.workers()
        running.process.kill()
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
        assert alive == []


def serve(*options: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "goim_edu", "serve", *options],
        capture_output=True,
        timeout=60,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--workers", "0"], "--workers: must be a whole number of 1 or more, not '0'"),
        (["--workers", "x"], "--workers: must be a whole number"),
        (["--workers", "2", "--mongo", "memory"], "seen by one process only: use a MongoDB"),
        (["--workers", "2", "--mongo", "memory", "--tls-cert", "/no"], "--tls-key"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(options: list[str], words: str) -> None:
    code, told = serve("--port", "0", *options)
    assert code == 2
    assert words in told.splitlines()[-1]
    assert "Traceback" not in told


def test_a_port_that_is_taken(replica_set: LocalReplicaSet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, told = serve("--workers", "2", "--port", port, GOIM_MONGO_URI=replica_set.uri)
        assert (code, told.count("\n")) == (2, 1)
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in told


def test_a_mongod_that_is_no_replica_set(mongod: Any) -> None:
    code, told = serve("--workers", "2", "--port", "0", GOIM_MONGO_URI=mongod.uri)
    assert code == 2
    assert "--workers needs a MongoDB that is a replica set" in told
