"""The live server: alive beside the caller's thread and loop, asked with raw bytes, replaced."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import nbformat
import psutil
import pytest
import websockets.sync.client
from nbformat.sign import NotebookNotary
from websockets.typing import Origin, Subprotocol

from goim_edu.cli.lab import command, places, trust
from goim_edu.errors import StoreUnavailable
from goim_edu.lab import LiveServer, said
from goim_edu.store import open_store
from goim_edu.websocket.close import build_close, parse_close
from goim_edu.websocket.frames import Frame, Opcode, build_frame
from goim_edu.widgets import FrameLab, HandshakeLab
from goim_edu.widgets.frame_presets import PRESETS

JSON = Subprotocol("goim.v1.json")
KEY = bytes.fromhex("37fa213d")


@pytest.fixture(scope="module")
def live() -> Iterator[LiveServer]:
    with LiveServer("memory", name="tests") as server:
        yield server


def threads() -> int:
    return sum(thread.name.startswith("LiveServer") for thread in threading.enumerate())


def listening() -> int:
    links = psutil.Process().net_connections("tcp")
    return sum(link.status == psutil.CONN_LISTEN for link in links)


def test_it_answers_everything_that_serve_answers(live: LiveServer) -> None:
    with urllib.request.urlopen(live.page_url + "healthz", timeout=5) as answer:
        assert json.load(answer)
    with websockets.sync.client.connect(live.echo_url) as client:
        client.send("hello")
        assert client.recv(timeout=5) == "hello"
    with websockets.sync.client.connect(live.url, subprotocols=[JSON]) as client:
        client.send(json.dumps({"type": "hello", "user_id": "ada"}))
        assert json.loads(client.recv(timeout=5))["type"] == "welcome"


def test_it_records_both_directions(live: LiveServer) -> None:
    with websockets.sync.client.connect(live.echo_url) as client:
        client.send("find me")
        client.recv(timeout=5)
    found = live.capture.find("find me")
    assert [frame.sender for frame in found] == ["client", "server"]
    assert "permessage-deflate" not in str(live.capture.handshakes()[-1].response)


def test_a_page_may_connect_if_it_has_the_key(live: LiveServer) -> None:
    jupyter = Origin("http://localhost:8888")
    both = [JSON, Subprotocol(live.key)]
    with websockets.sync.client.connect(live.url, subprotocols=both, origin=jupyter) as ws:
        assert ws.subprotocol == JSON
    handshake = live.capture.handshakes()[-1]
    assert live.key not in f"{handshake.request}{handshake.response}"
    assert live.key.encode() not in b"".join(record.data for record in live.capture.records)
    wrong = [JSON, Subprotocol(live.key[:-1] + "!")]
    for page in (jupyter, Origin("https://evil.example"), Origin("null")):
        for offered in ([JSON], wrong):
            with pytest.raises(websockets.InvalidStatus) as refused:
                websockets.sync.client.connect(live.url, subprotocols=offered, origin=page)
            assert refused.value.response.status_code == 403
    own = Origin(live.page_url.rstrip("/"))
    with websockets.sync.client.connect(live.url, subprotocols=[JSON], origin=own):
        pass


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (build_frame("Hello", mask_key=KEY), [Frame(Opcode.TEXT, b"Hello")]),
        (build_frame(b"x", Opcode.PING, mask_key=KEY), [Frame(Opcode.PONG, b"x")]),
        (build_frame("half", fin=False, mask_key=KEY), []),
        (b"", []),
        (b"\x81", []),
        (build_frame("cut", mask_key=KEY)[:-1], []),
        (
            build_frame("last", mask_key=KEY)
            + build_frame(build_close(1000), Opcode.CLOSE, mask_key=KEY),
            [Frame(Opcode.TEXT, b"last"), Frame(Opcode.CLOSE, build_close(1000))],
        ),
    ],
)
def test_asking_with_good_bytes(live: LiveServer, data: bytes, answer: list[Frame]) -> None:
    assert live.ask(data) == answer


@pytest.mark.parametrize(
    "preset", [p for p in PRESETS if p.broken and p.sender == "client"], ids=lambda p: p.name
)
def test_the_server_refuses_what_the_lab_calls_broken(live: LiveServer, preset: object) -> None:
    """One verdict everywhere: what FrameLab says is what the live server does."""
    lab = FrameLab(preset.name, server=live)  # type: ignore[attr-defined]
    error = lab.explanation.error
    assert error is not None
    answer = lab.send_frame()[-1]
    assert answer.opcode is Opcode.CLOSE
    assert parse_close(answer.payload)[0] == error.close_code


@pytest.mark.parametrize(
    ("preset", "status"),
    [
        ("a good one", 101),
        ("without Host", 400),
        ("two Hosts", 400),
        ("a key of 5 bytes", 400),
        ("version 8", 426),
        ("POST", 405),
        ("HTTP/1.0", 400),
        ("a subprotocol that nobody speaks", 400),
        ("a page of a stranger", 403),
        ("a path that is not there", 404),
        ("a line without colon", 400),
    ],
)
def test_a_handshake_of_every_kind_gets_its_status(
    live: LiveServer, preset: str, status: int
) -> None:
    lab = HandshakeLab(live)
    lab.load(preset)
    assert lab.send_request() == status
    assert lab.answer.startswith(f"HTTP/1.1 {status} ")
    assert lab.view["answer"] == lab.answer


def test_it_leaves_a_store_open_that_it_was_lent() -> None:
    store = open_store("memory", patience=0.5)
    for _ in range(2):
        with LiveServer(store, name="lent store") as server:
            assert server.store is store
        assert store.ping() >= 0
    store.close()
    with LiveServer("memory", name="lent store") as server:
        pass
    with pytest.raises(StoreUnavailable, match="closed"):
        server.store.ping()


def test_an_error_is_told_by_its_kind_and_its_first_words() -> None:
    def fail(words: str) -> None:
        raise StoreUnavailable(words)

    assert said(len, "abc") == 3
    assert said(fail, "no primary: 127.0.0.1:1: refused") == "StoreUnavailable: no primary"
    assert said(fail, "not primary, full error: {}") == "StoreUnavailable: not primary"
    assert said(fail, "") == "StoreUnavailable"
    with pytest.raises(KeyboardInterrupt):
        said(lambda: (_ for _ in ()).throw(KeyboardInterrupt()))


def test_a_new_one_takes_the_place_of_the_old_one() -> None:
    before = threads(), listening()
    first = LiveServer("memory", name="replaced")
    second = LiveServer("memory", name="replaced")  # the system may give it the same port again
    with pytest.raises(StoreUnavailable, match="closed"):
        first.store.ping()
    assert second.ask(build_frame("I live", mask_key=KEY)) == [Frame(Opcode.TEXT, b"I live")]
    assert (threads(), listening()) == (before[0] + 1, before[1] + 1)
    second.close()
    second.close()
    assert (threads(), listening()) == before


def test_it_works_beside_a_running_loop(live: LiveServer) -> None:
    """In a notebook the loop of the kernel runs already; a blocking client must not hang."""

    async def cell() -> list[Frame]:
        return live.ask(build_frame("Hello", mask_key=KEY))

    assert asyncio.run(cell()) == [Frame(Opcode.TEXT, b"Hello")]


def test_a_database_that_is_not_there_is_said_at_once() -> None:
    with pytest.raises(StoreUnavailable):
        LiveServer("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200", name="no database")


def test_a_port_that_is_taken_is_said_at_once(live: LiveServer) -> None:
    before = threads()
    with pytest.raises(OSError, match=r"(?i)address already in use"):
        LiveServer("memory", name="taken", port=live.port)
    assert threads() == before


def test_its_repr_says_nothing_that_changes(live: LiveServer) -> None:
    assert repr(live) == "<LiveServer: chat, echo and a page for your browser>"


def test_a_program_that_forgets_to_close_it_ends_all_the_same(root: Path) -> None:
    code = "from goim_edu.lab import LiveServer; LiveServer('memory'); print('done')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, cwd=root
    )
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)


def test_the_course_is_found_and_opened_at_its_first_notebook(root: Path, tmp_path: Path) -> None:
    assert places(tmp_path) == (root / "notebooks", root / "course"), "beside the package"
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00-start-here.ipynb").touch()
    assert places(tmp_path) == (tmp_path / "notebooks", tmp_path / "course")
    words = command(["--no-browser", "--port", "8899"])
    assert words[:3] == [sys.executable, "-m", "jupyterlab"]
    assert words[-4] == "--LabApp.default_url=/lab/tree/00-start-here.ipynb"
    assert words[-3:] == ["--no-browser", "--port", "8899"]


def test_the_course_is_trusted_before_it_is_run(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JupyterLab strips the pictures from a notebook that nobody has signed."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "00-start-here.ipynb").write_bytes(
        (root / "notebooks" / "00-start-here.ipynb").read_bytes()
    )
    notebook = nbformat.read(tmp_path / "00-start-here.ipynb", nbformat.NO_CONVERT)
    with closing(NotebookNotary()) as notary:
        assert not notary.check_signature(notebook)
    trust(tmp_path)
    with closing(NotebookNotary()) as notary:
        assert notary.check_signature(notebook)
