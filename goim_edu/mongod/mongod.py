"""One real mongod of our own: start it, know it, stop it, and let nothing of it stay behind."""

from __future__ import annotations

import atexit
import contextlib
import errno
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from uuid import uuid4

import platformdirs
from pymongo.errors import PyMongoError

from goim_edu.errors import StoreUnavailable
from goim_edu.mongod.binary import find_mongod, runnable
from goim_edu.mongod.diagnosis import LEAST_DISK, diagnose, read_tail, why_no_start
from goim_edu.mongod.membership import correct_address, direct_client, initiate_once

__all__ = ["LocalMongod", "mark_temporary"]

HOST = "127.0.0.1"
NEEDED_DISK = 300 * 1024 * 1024
"""What the journal, the oplog and an empty database take, in bytes."""
LONGEST_LOG = 20 * 1024 * 1024
_POLL = 0.02
_REVIVE_PAUSE = 1.0
_LONGEST_PAUSING = 5.0

_TEMPORARY = "temporary"

log = logging.getLogger("goim_edu.mongod")


def mark_temporary(folder: Path) -> None:
    """Have a data folder removed if its owner dies, so that 300 MB do not stay behind."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.joinpath(_TEMPORARY).touch()


class LocalMongod:
    """A mongod on this machine's loopback, with a data folder of its own.

    Args:
        data_dir: where its data, log and lock are; default: the user's data folder. What is there
            from an earlier run is found again.
        port: 0 picks a free one (for a replica set the last one, if it is still free).
        replica_set: make it the only member of a replica set of that name; retryable writes and
            change streams need one.
        initiate: False leaves the replica set to the caller (:class:`LocalReplicaSet`).
        binary: the program; default :func:`find_mongod`.
        cache_mb: memory of its cache in MiB, 256 or more; None: MongoDB's own choice, which is
            about half of what the machine has.
        start_timeout: seconds until it must answer.
        revive: start it again when it dies without having been told to.
        temporary: a data folder that goes with this process, however that ends. (It stays while
            the server is stopped or killed, so that it can be started again.)

    It listens on 127.0.0.1 only, without passwords: it is for lessons and tests.

    >>> server = LocalMongod("somewhere", port=27018, replica_set="goim")
    >>> server.uri, server.running
    ('mongodb://127.0.0.1:27018/?replicaSet=goim', False)
    """

    def __init__(
        self,
        data_dir: Path | str | None = None,
        port: int = 0,
        replica_set: str | None = None,
        *,
        initiate: bool = True,
        binary: Path | str | None = None,
        cache_mb: int | None = 256,
        start_timeout: float = 60.0,
        revive: bool = False,
        temporary: bool = False,
    ) -> None:
        if temporary:
            data_dir = Path(tempfile.gettempdir(), f"goim-mongod-{uuid4().hex}")
            # Registered before any start, so that it comes after the stop.
            atexit.register(shutil.rmtree, data_dir, ignore_errors=True)
        self._temporary = temporary
        self.data_dir = (
            platformdirs.user_data_path("goim_edu") / "mongod"
            if data_dir is None
            else Path(data_dir)
        )
        self.replica_set = replica_set
        self.port = port
        self._fixed_port = bool(port)
        self._initiate = initiate
        self._binary = None if binary is None else Path(binary)
        self._cache_mb = cache_mb
        self._start_timeout = start_timeout
        self._revive = revive
        self._guard: subprocess.Popen[str] | None = None
        self._pid: int | None = None
        self._life = threading.RLock()
        self._ending = threading.Event()

    # What it is.

    @property
    def uri(self) -> str:
        """The connection string."""
        if self.replica_set and self._initiate:
            return f"mongodb://{HOST}:{self.port}/?replicaSet={self.replica_set}"
        return f"mongodb://{HOST}:{self.port}/?directConnection=true"

    @property
    def address(self) -> str:
        """Host and port, the name of a replica set's member."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id of mongod itself; None when it does not run."""
        return self._pid if self.running else None

    @property
    def running(self) -> bool:
        """Whether the process lives (it may be paused)."""
        return self._guard is not None and self._guard.poll() is None

    @property
    def log_file(self) -> Path:
        """The log: one JSON object in each line."""
        return self.data_dir / "mongod.log"

    # Start.

    def start(self) -> Self:
        """Start it and wait until it can be written to; does nothing if it runs.

        Raises:
            StoreUnavailable: one line that says what is missing; nothing is left running.
        """
        with self._life:
            if not self.running:
                self._ending.clear()
                self._start()
        return self

    def _start(self) -> None:
        binary = runnable(self._binary or find_mongod())
        self._prepare_folder()
        deadline = time.monotonic() + self._start_timeout
        for last_try in (False, False, True):
            if not self._fixed_port:
                self.port = self._free_port()
            try:
                if self.replica_set and self._initiate:
                    self._launch_primary(binary, deadline)
                else:
                    self._launch(self._command(binary), deadline)
                break
            except _PortTaken:
                if self._fixed_port or last_try:
                    raise StoreUnavailable(f"port {self.port} is in use already") from None
        self.data_dir.joinpath("port").write_text(f"{self.port}\n")
        if self._revive:
            threading.Thread(target=self._watch, args=(self._guard,), daemon=True).start()

    def _watch(self, guard: subprocess.Popen[str]) -> None:
        """In a thread: when mongod ends and nobody wanted that, start it again."""
        guard.wait()
        told, pause = "", _REVIVE_PAUSE
        while True:
            with self._life:
                if self._ending.is_set():
                    return
                try:
                    self._forget_guard()
                    self._fixed_port = True  # those who knew it look for it there
                    self._start()
                except StoreUnavailable as error:
                    if told != (told := str(error)):
                        log.warning("mongod ended by itself and does not start again: %s", told)
                else:
                    log.warning("mongod ended by itself and runs again, pid=%s", self.pid)
                    return
            self._ending.wait(pause)
            pause = min(2 * pause, 30 * _REVIVE_PAUSE)

    def _launch_primary(self, binary: Path, deadline: float) -> None:
        """Start a replica set of one, whose configuration must name the port where it listens.

        At its start a member looks for itself under the configured address. Who listens there now
        may be another program, and the member would wait for that one's answer; so the address is
        put right before, by a start without the replica set (manual, "Change Hostnames in a
        Self-Managed Replica Set").
        """
        known = self._last_port() == self.port or not any((self.data_dir / "db").iterdir())
        if not known:
            self._launch(self._command(binary, replica_set=False), deadline)
            with direct_client(self.address) as client:
                correct_address(client, self.address)
            self._stop()
        self._launch(self._command(binary), deadline)
        try:
            self._become_primary(deadline)
        except BaseException:
            self._stop()
            raise

    def _prepare_folder(self) -> None:
        try:
            if self._temporary:
                mark_temporary(self.data_dir)
            self.data_dir.joinpath("db").mkdir(parents=True, exist_ok=True)
            if not os.access(self.data_dir, os.W_OK):
                raise PermissionError(errno.EACCES, "not writable")
            if self.log_file.exists() and self.log_file.stat().st_size > LONGEST_LOG:
                self.log_file.unlink()
            free = shutil.disk_usage(self.data_dir).free
        except OSError as error:
            raise StoreUnavailable(
                f"the data folder {self.data_dir} cannot be used: {error.strerror}"
            ) from None
        needed = LEAST_DISK if self.data_dir.joinpath("port").exists() else NEEDED_DISK
        if free < needed:
            raise StoreUnavailable(
                f"the disk of {self.data_dir} is full: {free >> 20} MiB are free, "
                f"MongoDB needs {needed >> 20} MiB"
            )

    def _free_port(self) -> int:
        """The port of last time, which a replica set's configuration names, else any free one."""
        for port in (self._last_port(), 0):
            with contextlib.suppress(_PortTaken):
                return _probe(port)
        raise StoreUnavailable(f"there is no free port on {HOST}")

    def _last_port(self) -> int:
        """The port of the last run in this folder, 0 if there was none."""
        with contextlib.suppress(OSError, ValueError):
            return int(self.data_dir.joinpath("port").read_text())
        return 0

    def _command(self, binary: Path, *, replica_set: bool = True) -> list[str]:
        command = [
            str(binary),
            *("--dbpath", str(self.data_dir / "db")),
            *("--logpath", str(self.log_file), "--logappend"),
            *("--bind_ip", HOST, "--port", str(self.port), "--nounixsocket"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # A replica set's member waits this long before it stops, for a successor.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
        ]
        if self._cache_mb is not None:
            command += ["--wiredTigerCacheSizeGB", f"{max(256, self._cache_mb) / 1024:.2f}"]
        if self.replica_set and replica_set:
            command += ["--replSet", self.replica_set, "--oplogSize", "256"]
        return command

    def _launch(self, command: list[str], deadline: float) -> None:
        """Start the guard, which starts mongod; wait until it accepts connections."""
        binary = command[0]
        while True:
            _probe(self.port)
            begin = self.log_file.stat().st_size if self.log_file.exists() else 0
            self._guard, said = _start_guard(
                self.data_dir / "lock",
                self.data_dir / "console",
                self.data_dir / _TEMPORARY,
                command,
            )
            if "pid" in said:
                break
            self._forget_guard()
            if said.get("error") != "locked":
                raise StoreUnavailable(f"{binary} cannot be run: {why_no_start(said)}")
            self._wait_for_lock(str(said.get("holder", "")), deadline)
        self._pid = int(said["pid"])
        atexit.register(self.stop)
        try:
            self._wait_until(self._accepts, deadline, "it does not listen")
            self._wait_until(self._is_ours, deadline, "it does not answer")
        except _Ended:
            self._forget_guard()
            self._raise_why(binary, begin)
        except BaseException:
            self._stop()
            raise

    def _wait_for_lock(self, holder: str, deadline: float) -> None:
        """Another mongod has the folder. Wait for it only if its owner is gone already."""
        with contextlib.suppress(ValueError, ProcessLookupError):
            os.kill(int(holder), 0)
            raise StoreUnavailable(
                f"the data folder {self.data_dir} is in use by process {holder}: "
                "stop that one, or name another folder (--data-dir)"
            )
        if time.monotonic() > deadline:
            raise StoreUnavailable(f"the data folder {self.data_dir} stays locked")
        time.sleep(0.05)

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex((HOST, self.port)) == 0

    def _is_ours(self) -> bool:
        """Whether who listens there is the process that we started."""
        with direct_client(self.address, timeout=1.0) as client, contextlib.suppress(PyMongoError):
            if client.admin.command("serverStatus")["pid"] == self._pid:
                return True
            raise _PortTaken
        return False

    def _wait_until(self, ready: Callable[[], bool], deadline: float, problem: str) -> None:
        while not ready():
            if not self.running:
                raise _Ended
            if self._ending.is_set():
                raise StoreUnavailable("mongod was stopped while it started")
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    f"mongod did not get ready in {self._start_timeout:.0f} s: {problem} "
                    f"(its log: {self.log_file})"
                )
            time.sleep(_POLL)

    def _raise_why(self, binary: str, begin: int) -> None:
        """Say in one line why mongod ended while it started."""
        console = read_tail(self.data_dir / "console", 0)
        log = read_tail(self.log_file, begin)
        everything = console + log
        if "Address already in use" in everything:
            raise _PortTaken
        raise StoreUnavailable(diagnose(binary, self.data_dir, console, log))

    # Replica set of one.

    def _become_primary(self, deadline: float) -> None:
        """Initiate on the first start; wait until it has elected itself."""
        with direct_client(self.address) as client:
            try:
                initiate_once(client, str(self.replica_set), self.address)
                self._wait_until(
                    lambda: bool(client.admin.command("hello").get("isWritablePrimary")),
                    deadline,
                    "it does not become primary",
                )
            except PyMongoError as error:
                raise StoreUnavailable(f"the replica set cannot be set up: {error}") from None
            except _Ended:
                raise StoreUnavailable(
                    f"mongod ended while it started (its log: {self.log_file})"
                ) from None

    # Stop.

    def ask_to_stop(self) -> None:
        """Begin to stop it, and do not wait: several then stop at the same time."""
        self._ending.set()
        with self._life:
            self._close_pipe()

    def stop(self, timeout: float = 30.0) -> None:
        """Stop it cleanly (SIGTERM, after ``timeout`` seconds SIGKILL); safe to repeat."""
        self._ending.set()
        with self._life:
            self._stop(timeout)

    def _stop(self, timeout: float = 30.0) -> None:
        guard = self._guard
        if guard is None:
            return
        self._close_pipe()
        try:
            guard.wait(timeout)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            guard.wait()
        self._forget_guard()

    def _close_pipe(self) -> None:
        """Let go of the pipe that the guard watches: it then stops mongod."""
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()

    def kill(self) -> None:
        """End it as a power cut would: ``kill -9``, no chance to write anything."""
        self._ending.set()
        with self._life:
            self._signal(signal.SIGKILL)
            self._forget_guard()

    def pause(self) -> None:
        """Freeze the process (SIGSTOP): connections stay open, nobody answers.

        When the signal is sent, threads that are at work have not stopped yet, and one of them
        could still answer a question; so this waits until all have.
        """
        self._signal(signal.SIGSTOP)
        deadline = time.monotonic() + _LONGEST_PAUSING
        while (pid := self.pid) and not _is_frozen(pid) and time.monotonic() < deadline:
            time.sleep(0.001)

    def resume(self) -> None:
        """Let a frozen process run on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        # While the guard lives, it has not reaped mongod, so the number cannot be another process.
        if self._pid is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)

    def _forget_guard(self) -> None:
        guard, self._guard, self._pid = self._guard, None, None
        if guard is not None:
            guard.wait(60.0)
            for pipe in (guard.stdin, guard.stdout):
                if pipe is not None:
                    pipe.close()
        atexit.unregister(self.stop)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if self._temporary:
            shutil.rmtree(self.data_dir, ignore_errors=True)

    def __repr__(self) -> str:
        state = f"pid {self.pid}" if self.running else "stopped"
        return f"<LocalMongod {self.address} {state}>"


class _Ended(Exception):
    """The process ended while we waited for it."""


class _PortTaken(Exception):
    """Someone else listens on the port."""


def _is_frozen(pid: int) -> bool:
    """Whether all threads of a process have stopped (proc(5)); where nobody tells, they have."""
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            # The name in brackets may have brackets of its own; the state follows the last one.
            if not stat.read_text().rpartition(") ")[2].startswith(("T", "Z", "X")):
                return False
    return True


def _probe(port: int) -> int:
    """A port that is free at this moment: this one, or any for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):
            raise _PortTaken from None
        return int(probe.getsockname()[1])


def _start_guard(
    lock: Path, console: Path, temporary: Path, command: list[str]
) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Run the guard in a session of its own, so that Ctrl-C at the terminal is not for mongod."""
    guard = subprocess.Popen(  # noqa: S603 - our own script and the mongod that the user chose
        [
            *(sys.executable, "-I", "-S", str(Path(__file__).with_name("watchdog.py"))),
            *(str(lock), str(console), str(temporary), *command),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    out: IO[str] | None = guard.stdout
    line = out.readline() if out is not None else ""
    try:
        said: dict[str, Any] = json.loads(line)
    except ValueError:
        said = {"error": "guard"}
    return guard, said
