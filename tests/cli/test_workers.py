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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from goim_edu.cli import main
from goim_edu.cli.workers import Place, share
from goim_edu.mongod import LocalReplicaSet
from goim_edu.serving.config import ServerConfig
from tests.conftest import require_mongod

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
        listening = re.search(r"^listening on wss?://127.0.0.1:(\d+)$", self.log.read_text(), re.M)
        assert listening, self.log.read_text()
        self.port = int(listening[1])

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def workers(self) -> list[psutil.Process]:
        """The processes that serve, by number."""
        found = []
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):  # it has died just now
                found += [child] if "--place" in child.cmdline() else []
        return found

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


GOIM = [sys.executable, "-m", "goim_edu", "serve"]


@contextmanager
def family(
    uri: str, tmp_path: Path, *options: str, program: Sequence[str] = GOIM
) -> Iterator[Family]:
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*program, "--workers", "3", "--port", "0", *options],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            env={**os.environ, "GOIM_MONGO_URI": uri},
        )
    found = Family(process, log)
    children: list[psutil.Process] = []
    try:
        found.wait_until_ready()
        children = found.workers()
        yield found
        children += [] if found.ended else found.workers()
    finally:
        if not found.ended:
            process.kill()
        process.wait(PATIENCE)
        if process.stdin is not None:
            process.stdin.close()
        for child in children:
            if child.is_running():
                child.kill()


@pytest.fixture(scope="module")
def running(
    replica_set: LocalReplicaSet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Family]:
    folder = tmp_path_factory.mktemp("workers")
    options = "--log-level", "warning", "--memory-limit", "3000000", "--mongo", replica_set.uri
    with family("mongodb://nobody.invalid", folder, *options) as found:
        yield found


def test_one_line_says_that_all_listen(running: Family) -> None:
    assert running.log.read_text().count("listening on") == 1
    assert running.log.read_text().count("messages are kept") == 1
    assert len(running.workers()) == 3


def test_the_address_of_the_database_is_in_no_arguments_of_a_worker(running: Family) -> None:
    for worker in running.workers():
        assert "mongodb://" not in " ".join(worker.cmdline())
    assert "shows the password of the database" in running.log.read_text()


def test_connections_spread_and_the_figures_add_up(running: Family) -> None:
    with ExitStack() as stack:
        for number in range(40):
            stack.enter_context(running.come(f"user {number}"))
        assert running.figure("goim_sessions") == 40
        assert running.figure("goim_kept_bytes_limit") == 3_000_000
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
        counted = running.figure("goim_opened_total")
        assert counted >= 20
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
        assert re.search(r"worker died worker=\d exit=SIGKILL", running.log.read_text())
        # What the dead one has counted stays counted.
        assert running.figure("goim_opened_total") >= counted


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


def test_a_parent_that_hangs_is_not_passed_over(running: Family) -> None:
    running.process.send_signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor() as pool:
            health, metrics = pool.map(running.get, ("/healthz", "/metrics"))
        assert health[0] == 503
        # The figures of one worker alone would mislead.
        assert metrics == (503, "the parent of the workers does not answer")
    finally:
        running.process.send_signal(signal.SIGCONT)
    until(lambda: running.get("/healthz")[0] == 200)
    assert running.get("/metrics")[0] == 200


def _health_or_nothing(running: Family) -> tuple[int, str] | None:
    """A request may go to the worker that hangs."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/healthz", timeout=3) as page:
            return page.status, json.load(page)["status"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["status"]
    except OSError:
        return None


REQUEST = b"\r\n".join(
    [
        *(b"GET /echo HTTP/1.1", b"Host: localhost", b"Connection: Upgrade", b"Upgrade: websocket"),
        *(b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", b"Sec-WebSocket-Version: 13", b"", b""),
    ]
)


def test_bounds_hold_for_all_together(replica_set: LocalReplicaSet, tmp_path: Path) -> None:
    options = "--max-connections", "10", "--max-per-ip", "7"
    with family(replica_set.uri, tmp_path, *options) as running, ExitStack() as stack:

        def answer_to(host: str) -> str:
            link = socket.create_connection(("127.0.0.1", running.port), source_address=(host, 0))
            stack.enter_context(link).settimeout(PATIENCE)
            with suppress(OSError):  # it may have been refused already
                link.sendall(REQUEST)
            return link.recv(2000).decode()

        crowd = [answer_to("127.0.0.1") for _ in range(10)]
        assert all("101 Switching Protocols" in answer for answer in crowd[:7])
        assert all("from your address" in answer for answer in crowd[7:])
        others = [answer_to("127.0.0.2") for _ in range(6)]
        assert all("101 Switching Protocols" in answer for answer in others[:3])
        assert all("the server is full" in answer for answer in others[3:])
        for worker in running.workers():
            worker.kill()
        # Now their places are free again; one may be taken by the last of these questions.
        until(lambda: len(running.workers()) == 3 and _health_or_nothing(running) == (200, "ok"))
        crowd = [answer_to("127.0.0.1") for _ in range(6)]
        others = [answer_to("127.0.0.2") for _ in range(3)]
        assert all("101 Switching Protocols" in answer for answer in crowd + others)


def test_a_signal_drains_them_all(replica_set: LocalReplicaSet, tmp_path: Path) -> None:
    """Also where it is sent to all of them, as systemd does: workers then get it twice."""
    with family(replica_set.uri, tmp_path) as running, ExitStack() as stack:
        people = [stack.enter_context(running.come(f"user {number}")) for number in range(10)]
        children = running.workers()
        running.process.send_signal(signal.SIGHUP)  # no certificate: nothing happens
        for child in children:
            child.terminate()
        running.process.send_signal(signal.SIGTERM)
        told = [json.loads(ws.recv(PATIENCE)) for ws in people]
        assert {one["type"] for one in told} == {"draining"}
        assert len({one["reconnect_after_ms"] for one in told}) > 5
        assert running.process.wait(PATIENCE) == 0, running.log.read_text()
        assert not any(child.is_running() for child in children)


def test_one_mongod_is_for_all(tmp_path: Path) -> None:
    require_mongod()
    options = "--workers", "2", "--mongo", "local", "--data-dir", str(tmp_path / "data")
    with family("", tmp_path, *options) as running:
        below = psutil.Process(running.process.pid).children(recursive=True)
        (mongod,) = [child for child in below if child.name() == "mongod"]
        mongod.suspend()
        try:
            status, text = running.get("/healthz")
        finally:
            mongod.resume()
        each = [worker and worker["status"] for worker in json.loads(text)["workers"]]
        assert (status, each) == (503, ["store down"] * 2)  # and no worker is blamed
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(PATIENCE) == 0, running.log.read_text()
        assert not any(child.is_running() for child in below)


def test_what_is_divided() -> None:
    config = ServerConfig(port=0, memory_limit=1000, handshake_rate=30.0)
    part, link = share(config, Place(index=0, workers=3, control=-1, tally=-1))
    link.close()
    assert (part.memory_limit, part.handshake_rate) == (333, 10.0)


def test_workers_end_with_their_parent(replica_set: LocalReplicaSet, tmp_path: Path) -> None:
    with family(replica_set.uri, tmp_path, "--workers", "2") as running:
        children = running.workers()
        running.process.kill()
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
        assert alive == []


PROGRAM = """
import sys
assert sys.argv.count("--port") == 1, "a worker is not to run this program again"
from goim_edu.cli import main
sys.exit(main(["serve", *sys.argv[1:]]))
"""


def test_workers_that_are_starting_get_the_signals(
    replica_set: LocalReplicaSet, tmp_path: Path
) -> None:
    leaf = trustme.CA().issue_cert("localhost")
    cert = tmp_path / "cert.pem"
    leaf.private_key_and_cert_chain_pem.write_to_path(cert)
    options = "--workers", "2", "--tls-cert", str(cert), "--tls-key", str(cert), "--end-with-stdin"
    program = sys.executable, "-c", PROGRAM
    with family(replica_set.uri, tmp_path, *options, program=program) as running:
        kill_one(running)
        running.process.send_signal(signal.SIGHUP)
        until(lambda: running.log.read_text().count("certificate renewed") == 2)
        assert running.log.read_text().count("worker died") == 1
        kill_one(running)
        children = running.workers()
        assert running.process.stdin is not None
        running.process.stdin.close()
        assert running.process.wait(PATIENCE) == 0, running.log.read_text()
        assert not any(child.is_running() for child in children)


def kill_one(running: Family) -> None:
    """Kill a worker; return when another has been started, which has yet to begin."""
    before = {child.pid for child in running.workers()}
    running.workers()[0].kill()
    until(lambda: {child.pid for child in running.workers()} - before)


def test_a_second_signal_ends_them_at_once(replica_set: LocalReplicaSet, tmp_path: Path) -> None:
    with family(replica_set.uri, tmp_path, "--workers", "2") as running:
        children = running.workers()
        children[0].suspend()  # it will not drain
        running.process.send_signal(signal.SIGTERM)
        until(lambda: running.log.read_text().count("drained") == 1)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(PATIENCE) == 1
        assert "second signal" in running.log.read_text()
        assert not any(child.is_running() for child in children)


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
        (["--workers", "2", "--tls-cert", "/no", "--tls-key", "/no"], "No such file or directory"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(options: list[str], words: str) -> None:
    code, told = serve("--port", "0", *options)
    assert code == 2
    assert words in told.splitlines()[-1]
    assert "Traceback" not in told


def test_a_port_that_another_family_shares(running: Family, replica_set: LocalReplicaSet) -> None:
    options = "--workers", "2", "--port", str(running.port)
    code, told = serve(*options, GOIM_MONGO_URI=replica_set.uri)
    assert (code, told.count("\n")) == (2, 1)
    assert "Address already in use" in told


def test_a_system_that_does_not_deal_connections_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert main(["serve", "--workers", "2", "--port", "0"]) == 2
    assert capsys.readouterr().err == (
        "goim_edu: --workers needs Linux, which deals connections out to processes\n"
    )


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
