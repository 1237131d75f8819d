"""``serve`` and its surroundings: signals, streams that take nothing, keys and certificates."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytest
import trustme
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from goim_edu.cli import main

PATIENCE = 30.0
CHAT = [Subprotocol("goim.v1.json")]


@contextmanager
def serving(*args: str, stderr: int | IO[bytes], stdout: int = subprocess.PIPE) -> Iterator[Any]:
    """A server; it is ended, if it has not ended by itself."""
    words = [sys.executable, "-m", "goim_edu", "serve", "--port", "0", "--mongo", "memory", *args]
    process = subprocess.Popen(words, stdout=stdout, stderr=stderr)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)
        if process.stdout is not None:
            process.stdout.close()


def port_of(process: Any) -> int:
    return int(process.stdout.readline().rpartition(b":")[2])


def say_hello(port: int, name: str) -> None:
    with connect(f"ws://127.0.0.1:{port}/chat", subprotocols=CHAT, open_timeout=PATIENCE) as ws:
        ws.send(json.dumps({"type": "hello", "user_id": name}))
        assert json.loads(ws.recv(PATIENCE))["type"] == "welcome"


def wait_for(path: Path, text: str) -> None:
    end = time.monotonic() + PATIENCE
    while text not in path.read_text():
        assert time.monotonic() < end, path.read_text()
        time.sleep(0.02)


def end(process: Any) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


# ---------------------------------------------------------------------- streams


def test_a_stderr_that_nobody_reads_stops_nothing() -> None:
    """A terminal stopped by Ctrl-S, or a pager: what is written there waits."""
    reader, writer = os.pipe()
    with serving("--log-level", "debug", stderr=writer) as process:
        port = port_of(process)
        os.set_blocking(writer, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writer, b"#" * 512)
        os.set_blocking(writer, True)
        for number in range(60):
            say_hello(port, f"a name {number}" + "x" * 200)
        end(process)
    os.close(reader)
    os.close(writer)


def test_the_lines_of_the_end_are_written(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file, serving(stderr=file) as process:
        say_hello(port_of(process), "lisa")
        end(process)
    told = path.read_text()
    assert "hello connection=1" in told
    assert "user='lisa'" in told
    assert told.splitlines()[-1].endswith(" level=INFO logger=goim_edu.server drained")


def test_noise_of_one_client_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file, serving(stderr=file) as process:
        port = port_of(process)
        for _ in range(60):
            say_hello(port, "\U000e0001" * 256)
        end(process)
    told = path.read_text()
    assert len(told) < 30_000  # with each line as long as the name it would be 300,000
    remarks = [line for line in told.splitlines() if "log lines left out" in line]
    left_out = sum(int(line.partition("lines=")[2].split()[0]) for line in remarks)
    assert left_out > 0
    assert told.count("user='") + left_out == 120


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_broken_pipe_is_not_the_end(stream: str, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    path = tmp_path / "log"
    with path.open("wb") as file:
        if stream == "stdout":
            with serving(stdout=writer, stderr=file) as process:
                wait_for(path, "listening url=")
                port = path.read_text().partition("127.0.0.1:")[2].split()[0]
                say_hello(int(port), "lisa")
                end(process)
            assert "Traceback" not in path.read_text()
            assert "Exception" not in path.read_text()
        else:
            with serving(stderr=writer) as process:
                say_hello(port_of(process), "lisa")
                end(process)
    os.close(writer)


@pytest.mark.parametrize("words", [["progress"], ["--help"], ["--version"]])
def test_a_reader_that_has_enough_sees_no_traceback(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "goim_edu", *words]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


# ---------------------------------------------------------------------- SIGHUP


def test_a_hang_up_renews_the_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    cert, key, path = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "log"

    def write() -> None:
        leaf = authority.issue_cert("localhost")
        cert.write_bytes(leaf.cert_chain_pems[0].bytes())
        key.write_bytes(leaf.private_key_pem.bytes())

    write()
    options = ("--tls-cert", str(cert), "--tls-key", str(key))
    with path.open("wb") as file, serving(*options, stderr=file) as process:
        port_of(process)
        write()
        process.send_signal(signal.SIGHUP)
        wait_for(path, "certificate renewed")
        key.write_text("garbage")
        process.send_signal(signal.SIGHUP)
        wait_for(path, "not renewed")
        assert process.poll() is None
        end(process)


def test_a_hang_up_without_tls_ends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file, serving(stderr=file) as process:
        port = port_of(process)
        process.send_signal(signal.SIGHUP)
        wait_for(path, "no certificate")
        say_hello(port, "lisa")
        end(process)


# ---------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("flag", "key", "why"),
    [
        ("--jwt-secret", b"short", "too short"),
        ("--jwt-secret", b"-----BEGIN PUBLIC KEY-----" + b"x" * 40, "PEM"),
        ("--jwt-public-key", b"x" * 40, "not a public key"),
        ("--jwt-public-key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END", "cannot be read"),
        ("--jwt-public-key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END", "private key"),
    ],
)
def test_a_key_that_does_not_fit_is_one_line(
    flag: str, key: bytes, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "key"
    path.write_bytes(key)
    assert main(["serve", "--mongo", "memory", "--auth", "jwt", flag, str(path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"goim_edu: cannot serve: {path}: ")
    assert why in line


def test_settings_for_tokens_need_tokens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in (("--jwt-secret", str(tmp_path / "x")), ("--jwt-audience", "chat")):
        assert main(["serve", "--mongo", "memory", *option]) == 2
        assert "--auth jwt" in capsys.readouterr().err
