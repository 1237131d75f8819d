"""Log lines never stop the loop: a full pipe costs lines, which are counted, and nothing else."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
from collections.abc import Iterator
from time import monotonic, sleep

import pytest

from goim_edu.serving import logs
from goim_edu.serving.logs import FewOfAKind, LineQueue, log_to_stderr
from tests.chatting import Person, run, running_server

log = logging.getLogger("tests.logs")


class Pipe:
    """A pipe as stderr may be one: it takes so much, and then makes its writer wait."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def stop_up(self) -> None:
        """Leave no place."""
        os.set_blocking(self.writer, False)
        try:
            while True:
                os.write(self.writer, b"#")
        except BlockingIOError:
            os.set_blocking(self.writer, True)

    def make_room(self) -> None:
        """Read all that has come so far."""
        os.read(self.reader, 1 << 20)

    def read(self) -> str:
        """All that is written until the writer's end is closed."""
        os.close(self.writer)
        with os.fdopen(self.reader, "rb") as file:
            return file.read().decode().lstrip("#")


def log_lines(lines: LineQueue, count: int) -> None:
    """Log so many lines; before the second one the thread has taken the first, and waits."""
    log.info("line 0")
    end = monotonic() + 10
    while not lines.queue.empty() and monotonic() < end:
        sleep(0.001)
    for number in range(1, count):
        log.info("line %d", number)


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


@pytest.fixture
def lines(pipe: Pipe) -> Iterator[LineQueue]:
    handler = LineQueue(pipe.writer, most=10)
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    yield handler
    log.removeHandler(handler)
    log.propagate = True
    handler.close()


def test_lines_come_in_their_order_and_whole(pipe: Pipe, lines: LineQueue) -> None:
    for number in range(5):
        log.info("line %d", number)
    # Not by the logger: what pytest keeps of it could not be sent from one of its processes.
    lines.handle(logging.makeLogRecord({"msg": "half \ud83d and\nmore"}))
    try:
        raise ValueError("of ours")
    except ValueError:
        log.exception("a fault")
    lines.close()
    written = pipe.read().splitlines()
    assert written[:5] == [f"line {number}" for number in range(5)]
    assert written[5:8] == ["half \\ud83d and", "more", "a fault"]
    assert written[-1] == "ValueError: of ours"


def test_a_reader_that_has_stopped_costs_lines_and_no_time(pipe: Pipe, lines: LineQueue) -> None:
    pipe.stop_up()
    log_lines(lines, 1000)  # it would wait for ever here
    assert lines.left_out == 1000 - 11  # ten are in the queue, one is with the thread
    kept = 11
    pipe.make_room()
    lines.flush()
    log.info("reads on")
    lines.close()
    written = pipe.read().splitlines()
    assert written[:kept] == [f"line {number}" for number in range(kept)]
    assert written[kept] == f"log lines left out lines={1000 - kept} why='stderr waits'"
    assert written[kept + 1 :] == ["reads on"]


def test_the_end_does_not_wait_for_a_reader(
    pipe: Pipe, lines: LineQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LONGEST_FLUSH", 0.05)
    pipe.stop_up()
    log_lines(lines, 30)
    begin = monotonic()
    lines.close()
    lines.flush()
    lines.close()
    assert monotonic() - begin < 5  # a pipe that nobody reads would take for ever
    os.close(pipe.reader)


def test_what_is_left_out_at_the_end_is_told(pipe: Pipe, lines: LineQueue) -> None:
    pipe.stop_up()
    log_lines(lines, 30)
    pipe.make_room()
    lines.close()
    assert pipe.read().splitlines()[-1].startswith("log lines left out lines=19 ")


@pytest.mark.parametrize("how", ["nobody reads", "none"])
def test_a_file_that_takes_nothing(how: str, pipe: Pipe) -> None:
    if how == "nobody reads":
        os.close(pipe.reader)
    handler = LineQueue(-1 if how == "none" else pipe.writer, most=5)
    for _ in range(50):
        handler.handle(logging.makeLogRecord({"msg": "line"}))
    handler.close()
    handler.handle(logging.makeLogRecord({"msg": "too late"}))
    handler.flush()


def test_a_file_that_is_not_blocking(pipe: Pipe, lines: LineQueue) -> None:
    pipe.stop_up()
    os.set_blocking(pipe.writer, False)
    log.info("it comes")
    pipe.make_room()
    lines.close()
    assert pipe.read() == "it comes\n"


def test_a_line_may_be_logged_while_another_one_is(pipe: Pipe, lines: LineQueue) -> None:
    """Garbage may be collected anywhere, and its end may be logged."""

    class Circle:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            log.info("the end of a circle")

    lines._most = 1000
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(200):
            Circle()
            log.info("line")
            lines.flush()
    finally:
        gc.set_threshold(*before)
    gc.collect()
    lines.close()
    assert pipe.read().count("the end of a circle") == 200


def test_stderr_may_be_closed_or_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set(threading.enumerate())  # some of an earlier test may end meanwhile
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    monkeypatch.setattr(sys, "stderr", None)
    with log_to_stderr("info"):
        logging.getLogger("goim_edu").info("nobody hears it")
    assert (root.level, root.handlers) == before
    end = monotonic() + 10
    while set(threading.enumerate()) - threads and monotonic() < end:
        pass
    assert not set(threading.enumerate()) - threads


# ---------------------------------------------------------------------- noise


def record(text: str, client: str = "", *values: object) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": text, "args": values, "client": client})


def test_a_client_gets_only_some_lines_of_a_kind() -> None:
    few = FewOfAKind(most=3, period=3600)
    passed = [few.filter(record("hello %d", "192.0.2.1", number)) for number in range(10)]
    assert passed == [True] * 3 + [False] * 7
    assert few.filter(record("hello %d", "192.0.2.2", 1))  # another client
    assert few.filter(record("gone %d", "192.0.2.1", 1))  # another kind
    told = [remark.getMessage() for remark in few.take_remarks()]
    assert told == ["log lines left out lines=7 kind='hello %d'"]
    assert few.take_remarks() == []


def test_lines_that_name_objects_are_one_kind() -> None:
    few = FewOfAKind(most=1, period=3600)
    texts = [f"socket.accept() out of system resource\nsocket: <socket {n}>" for n in range(9)]
    assert sum(few.filter(record(text)) for text in texts) == 1


def test_the_number_of_kinds_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MOST_KINDS", 50)
    few = FewOfAKind(most=1, period=3600)
    for number in range(1000):
        few.filter(record("hello", f"192.0.2.{number}"))
    assert len(few._counts) <= 51


def test_a_new_period_begins_with_what_was_left_out(
    pipe: Pipe, lines: LineQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(logs, "monotonic", lambda: now)
    monkeypatch.setattr(logs.log, "parent", log)
    lines.addFilter(FewOfAKind(most=2, period=10))
    for moment in (1.0, 2.0, 3.0, 4.0, 12.0, 13.0, 14.0):
        now = moment
        log.info("hello %s", moment)
    lines.close()
    assert pipe.read().splitlines() == [
        *("hello 1.0", "hello 2.0", "log lines left out lines=2 kind='hello %s'"),
        *("hello 12.0", "hello 13.0", "log lines left out lines=1 kind='hello %s'"),
    ]


def test_a_name_takes_little_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with running_server() as server:
            for name in ("\U000e0001" * 256, "\u202e" * 256, "long" * 64):
                person = await Person.come(server, name)
                await person.ws.close()

    with caplog.at_level(logging.INFO):
        run(test())
    told = [line for line in caplog.records if "user=" in line.getMessage()]
    assert len(told) == 6
    assert all(len(line.getMessage()) < 250 for line in told)
    assert all(line.client == "127.0.0.1" for line in told)  # type: ignore[attr-defined]
