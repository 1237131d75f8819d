"""The dissector in the terminal: one line a frame, colours only where wanted, any size of file."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from goim_edu.capture import Capture, Record, dissect
from goim_edu.capture.pcap import write_capture
from goim_edu.cli import main
from goim_edu.websocket.close import build_close
from goim_edu.websocket.frames import Opcode, build_frame
from tests.capture.files import OPENING, Talk, ether, frame, packets, pcap
from tests.capture.test_pcap import two_way_conversation

KEY = bytes.fromhex("37fa213d")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    capture = Capture()
    for connection in (1, 2):
        tap = capture.tap(connection)
        for number, (direction, data) in enumerate(two_way_conversation()):
            tap(direction, number / 8, data)
    return write_capture(capture.records, tmp_path / "talk.pcapng")


def printed(path: Path, **options: Any) -> list[str]:
    out = io.StringIO()
    dissect.run(path, out=out, **options)
    return out.getvalue().splitlines()


def test_a_line_for_every_handshake_and_frame(file: Path) -> None:
    lines = printed(file, connection=1)
    assert lines[0].endswith("→ GET /chat")
    assert "← 101 Switching Protocols (permessage-deflate" in lines[1]
    assert "→ TEXT         FMZ        6+12  hello, hello, hello" in lines[2]
    assert lines[4].endswith("(a fragment)")
    assert lines[7].endswith("in three fragments, done")
    assert lines[-2].endswith("1001 lunch")
    assert len(lines) == 13
    assert len(printed(file)) == 26


def test_details_are_those_of_explain(file: Path) -> None:
    lines = printed(file, connection=1, details=True)
    assert any(
        "Close code" in line and "1001: going away [RFC 6455 §7.4]" in line for line in lines
    )
    assert sum("Masking-key" in line for line in lines) == 7


def test_what_is_wrong_is_said_on_its_line() -> None:
    capture = Capture()
    tap = capture.tap(3)
    tap("in", 0.0, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    tap("out", 0.0, b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    tap("in", 1.0, bytes.fromhex("8380") + KEY)
    tap("out", 2.0, build_frame(build_close(1002), Opcode.CLOSE))
    *_, broken, close = dissect.describe(capture.records)
    assert "✗ 1002: opcode 3 is reserved (RFC 6455 §5.2)" in broken
    assert close.endswith("1002")


def test_a_refused_handshake(tmp_path: Path) -> None:
    records = [
        Record(1, "in", 0.0, b"GET /chat HTTP/1.1\r\nHost: x\r\n\r\n"),
        Record(1, "out", 0.0, b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n"),
    ]
    assert [line.split()[2:] for line in dissect.describe(records)] == [
        ["→", "GET", "/chat"],
        ["←", "426", "Upgrade", "Required"],
    ]


def test_colours_only_where_wanted(file: Path) -> None:
    plain, coloured = (printed(file, colour=when) for when in ("auto", "always"))
    assert not any("\x1b" in line for line in plain)
    assert all("\x1b[38;2;" in line for line in coloured)
    assert [re.sub("\x1b\\[[0-9;]*m", "", line) for line in coloured] == plain


def test_hostile_payloads_cannot_steer_the_terminal() -> None:
    capture = Capture()
    tap = capture.tap(1)
    tap("in", 0.0, b"GET /\x9b31m HTTP/1.1\r\nHost: x\r\n\r\n")
    tap("out", 0.0, b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    tap("in", 1.0, build_frame("\x1b[2Jgone\r\n\x9b31m", mask_key=KEY))
    lines = [*dissect.describe(capture.records, details=True)]
    assert all(line.isprintable() for line in lines)


def test_what_cannot_be_read_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.pcap").write_text("no recording at all, just words\n" * 9)
    for name in ("none.pcap", "text.pcap"):
        assert main(["dissect", str(tmp_path / name)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("goim_edu: ") for line in lines)


def test_the_command(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dissect", str(file), "--connection", "2", "--color", "never"]) == 0
    assert capsys.readouterr().out.splitlines() == printed(file, connection=2)


def test_a_reader_that_has_seen_enough(file: Path, root: Path) -> None:
    """``dissect FILE | head`` ends without a traceback."""
    command = [sys.executable, "-m", "goim_edu", "dissect", str(file), "--details"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=root
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_a_long_recording_needs_little_memory(tmp_path: Path) -> None:
    frames = build_frame("x" * 20, mask_key=KEY) * 100
    head = [
        Record(1, "in", 0.0, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        Record(1, "out", 0.0, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    ]
    records = head + [Record(1, "in", float(n), frames) for n in range(200)]
    path = write_capture(records, tmp_path / "long.pcapng")
    out = _Counter()
    tracemalloc.start()
    dissect.run(path, out=out)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert out.lines == 20_002
    assert peak < 3_000_000, "it must not hold the whole recording"


class _Counter(io.StringIO):
    """Counts lines and forgets them."""

    lines = 0

    def write(self, text: str) -> int:
        self.lines += text.count("\n")
        return len(text)


def run(
    data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, list[str], list[str]]:
    """The command: its exit code, what it prints, and what it says on stderr."""
    path = tmp_path / "made.pcap"
    path.write_bytes(data)
    code = main(["dissect", str(path), *options])
    said = capsys.readouterr()
    return code, said.out.splitlines(), said.err.splitlines()


def test_a_cut_file_is_shown_and_said_to_be_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, (line,) = run(pcap(ether(packets()))[:-5], tmp_path, capsys)
    assert (code, len(out)) == (0, 5)
    assert line.startswith("goim_edu: the file is cut: a packet at byte ")


def test_missing_packets_are_an_error_unless_they_may_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = packets()
    data = pcap(content[:5] + content[6:], 101)
    line = "goim_edu: connection 1: packets from the client are missing from the file (17 bytes)"
    code, out, told = run(data, tmp_path, capsys)
    assert (code, told) == (2, [line])
    kinds = sorted(text.split()[3] for text in out)
    assert kinds == ["101", "CLOSE", "CLOSE", "GET", "TEXT", "client:"]
    assert run(data, tmp_path, capsys, "--lossy") == (0, out, [line])


def test_damage_is_an_error_unless_it_may_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = pcap(packets(), 101) + b"\xff" * 40
    code, out, (line,) = run(data, tmp_path, capsys)
    assert (code, len(out)) == (2, 6)
    assert line.startswith("goim_edu: the file is damaged: a packet of 4,294,967,295 bytes at byte")
    assert run(data, tmp_path, capsys, "--lossy") == (0, out, [line])


def test_a_file_without_any_of_it_says_what_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = "goim_edu: there is no HTTP and no WebSocket to show"
    unknown = run(pcap(packets(), 147), tmp_path, capsys)
    assert unknown == (
        0,
        [],
        [
            "goim_edu: 9 packets were passed over: link type 147",
            "goim_edu: there are no TCP packets in the file",
            nothing,
        ],
    )
    hello = pcap(packets([("c", b"\x16\x03\x01\x02\x00"), ("s", b"\x16\x03\x03")]), 101)
    assert run(hello, tmp_path, capsys) == (
        0,
        [],
        ["goim_edu: 1 connection not taken apart: TLS", nothing],
    )
    assert run(pcap(packets(), 101), tmp_path, capsys, "--connection", "7")[2] == [nothing]


def test_the_protocol_behind_another_101_stands_on_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk: Talk = [
        ("c", b"POST /attach HTTP/1.1\r\nUpgrade: tcp\r\n\r\n"),
        ("s", b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n\x8f\x02 # "),
    ]
    code, out, told = run(pcap(packets(talk), 101), tmp_path, capsys)
    assert code == 0
    assert [line.split(maxsplit=2)[2] for line in out] == ["→ POST /attach", "← 101 UPGRADED (tcp)"]
    assert told == ["goim_edu: 1 connection not taken apart: tcp"]


def test_a_wrong_close_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    talk: Talk = [*OPENING, ("s", frame(b"\x03\xed", 8)), ("s", frame(b"\x03", 8))]
    _, out, _ = run(pcap(packets(talk), 101), tmp_path, capsys)
    assert "✗ 1002: close code 1005 may not be sent (RFC 6455 §7.4)" in out[2]
    assert "✗ 1002: a Close body of one octet (RFC 6455 §5.5.1)" in out[3]


@pytest.mark.parametrize("command", [["--help"], ["dissect", "FILE"], ["progress"]])
def test_every_command_ends_quietly_when_its_reader_leaves(
    command: list[str], file: Path, root: Path
) -> None:
    """Also where all of the output waits in a buffer until the end."""
    words = [str(file) if word == "FILE" else word for word in command]
    with subprocess.Popen(
        [sys.executable, "-m", "goim_edu", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=root,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0
