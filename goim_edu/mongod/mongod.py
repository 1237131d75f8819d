"""One real mongod of our own: start it, know it, stop it, and let nothing of it stay behind."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self
from uuid import uuid4

import platformdirs
from pymongo.errors import OperationFailure, PyMongoError

from goim_edu.errors import StoreUnavailable
from goim_edu.mongod.binary import find_mongod, runnable
from goim_edu.mongod.credentials import (
    AUTHENTICATION_FAILED,
    Credentials,
    MongoURI,
    ensure_user,
)
from goim_edu.mongod.data_folder import DataFolder
from goim_edu.mongod.diagnosis import diagnose, read_tail
from goim_edu.mongod.membership import correct_address, direct_client, initiate_once
from goim_edu.mongod.ports import HOST, PortInUse, free_port, listens, require_free
from goim_edu.mongod.process import FolderInUse, WatchedProcess
from goim_edu.mongod.temporary import remove_temporary, temporary

__all__ = ["LocalMongod"]

_POLL = 0.02
_REVIVE_PAUSE = 1.0

log = logging.getLogger("goim_edu.mongod")


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
        credentials: those of the replica set to which it belongs; default: its own.

    It listens on 127.0.0.1 only and asks for a password, which is made at the first start and kept
    in the data folder, where only its owner may read it. A folder of version 0.1, which had none,
    gets one.

    >>> server = LocalMongod("somewhere", port=27018, replica_set="goim")
    >>> server.address, server.running
    ('127.0.0.1:27018', False)
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
        credentials: Credentials | None = None,
    ) -> None:
        if temporary:
            data_dir = Path(tempfile.gettempdir(), f"goim-mongod-{uuid4().hex}")
        self._temporary = temporary
        self._folder = DataFolder(
            platformdirs.user_data_path("goim_edu") / "mongod"
            if data_dir is None
            else Path(data_dir)
        )
        self._credentials = credentials or Credentials(self._folder.path)
        self.replica_set = replica_set
        self.port = port
        self._fixed_port = bool(port)
        self._initiate = initiate
        self._binary = None if binary is None else Path(binary)
        self._cache_mb = cache_mb
        self._start_timeout = start_timeout
        self._revive = revive
        self._process: WatchedProcess | None = None
        self._life = threading.RLock()
        self._ending = threading.Event()

    # What it is.

    @property
    def data_dir(self) -> Path:
        """The folder with its data, log and lock."""
        return self._folder.path

    @property
    def uri(self) -> MongoURI:
        """The connection string with the password, which its ``repr`` does not show."""
        alone = not (self.replica_set and self._initiate)
        options = "directConnection=true" if alone else f"replicaSet={self.replica_set}"
        return self._credentials.uri(self.address, options)

    @property
    def uri_file(self) -> Path:
        """The file with the connection string, which only its owner may read."""
        return self._credentials.uri_file

    @property
    def address(self) -> str:
        """Host and port, the name of a replica set's member."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id of mongod itself; None when it does not run."""
        process = self._process
        return process.pid if process is not None and process.running else None

    @property
    def running(self) -> bool:
        """Whether the process lives (it may be paused)."""
        return self._process is not None and self._process.running

    @property
    def log_file(self) -> Path:
        """The log: one JSON object in each line."""
        return self._folder.log_file

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
        if self._temporary:
            temporary(self.data_dir)
        self._folder.prepare(self._credentials)
        deadline = time.monotonic() + self._start_timeout
        for last_try in (False, False, True):
            if not self._fixed_port:
                self.port = free_port(self._folder.last_port())
            try:
                if self.replica_set and self._initiate:
                    self._launch_primary(binary, deadline)
                else:
                    self._launch(self._command(binary), deadline)
                    self._make_user()
                break
            except PortInUse:
                if self._fixed_port or last_try:
                    raise StoreUnavailable(f"port {self.port} is in use already") from None
        self._folder.remember_port(self.port)
        if self._initiate:
            self._credentials.remember_uri(self.uri)
        if self._revive:
            threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()

    def _watch(self, process: WatchedProcess) -> None:
        """In a thread: when mongod ends and nobody wanted that, start it again."""
        process.watchdog.wait()
        told, pause = "", _REVIVE_PAUSE
        while True:
            with self._life:
                if self._ending.is_set():
                    return
                try:
                    self._forget_process()
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

        When a member starts, it looks for itself under the configured address. Another program may
        listen there now, and the member would wait for an answer of that one. So the address is put
        right first, by a start without the replica set (manual, "Change Hostnames in a Self-Managed
        Replica Set").
        """
        known = self._folder.last_port() == self.port or self._folder.is_new()
        if not known:
            self._launch(self._command(binary, replica_set=False), deadline)
            with direct_client(self.address, self._credentials) as client:
                correct_address(client, self.address)
            self._stop()
        self._launch(self._command(binary), deadline)
        try:
            self._become_primary(deadline)
        except BaseException:
            self._stop()
            raise

    def _command(self, binary: Path, *, replica_set: bool = True) -> list[str]:
        command = [
            str(binary),
            *("--dbpath", str(self._folder.db)),
            *("--logpath", str(self.log_file), "--logappend"),
            *("--bind_ip", HOST, "--port", str(self.port), "--nounixsocket"),
            # Nobody gets in without a password, not even before there is a first user.
            *("--keyFile", str(self._credentials.key_file)),
            *("--setParameter", "enableLocalhostAuthBypass=false"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # Else each journal file takes 100 MB at once, and three are there before any message.
            *("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=10MB)"),
            # Before it stops, a member of a replica set waits this long for a successor.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
        ]
        if self._cache_mb is not None:
            command += ["--wiredTigerCacheSizeGB", f"{max(256, self._cache_mb) / 1024:.2f}"]
        if self.replica_set and replica_set:
            command += ["--replSet", self.replica_set, "--oplogSize", "256"]
        return command

    def _launch(self, command: list[str], deadline: float) -> None:
        """Start mongod behind its watchdog; wait until it accepts connections."""
        while True:
            require_free(self.port)
            begin = self._folder.log_size()
            try:
                self._process = WatchedProcess(self._folder, command)
                break
            except FolderInUse as error:
                self._wait_for_folder(error.owner, deadline)
        atexit.register(self.stop)
        try:
            self._wait_until(lambda: listens(self.port), deadline, "it does not listen")
            self._wait_until(self._is_ours, deadline, "it does not answer")
        except _Ended:
            self._forget_process()
            self._raise_why(command[0], begin)
        except BaseException:
            self._stop()
            raise

    def _wait_for_folder(self, owner: str, deadline: float) -> None:
        """Another mongod has the folder. Wait for it only if its owner is gone already."""
        with contextlib.suppress(ValueError, ProcessLookupError):
            os.kill(int(owner), 0)
            raise StoreUnavailable(
                f"the data folder {self.data_dir} is in use by process {owner}: "
                "stop that one, or name another folder (--data-dir)"
            )
        if time.monotonic() > deadline:
            raise StoreUnavailable(f"the data folder {self.data_dir} stays locked")
        time.sleep(0.05)

    def _is_ours(self) -> bool:
        """Whether the server that listens there is the process that we started."""
        process = self._process
        with direct_client(self.address, self._credentials, timeout=1.0) as client:
            try:
                pid = client.admin.command("serverStatus")["pid"]
            except OperationFailure as error:
                if error.code != AUTHENTICATION_FAILED:
                    return False
                pid = None  # a stranger's, which does not know our key
            except PyMongoError:
                return False
        if process is None or pid != process.pid:
            raise PortInUse
        return True

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
        console = read_tail(self._folder.console, 0)
        log = read_tail(self.log_file, begin)
        if "Address already in use" in console + log:
            raise PortInUse
        raise StoreUnavailable(diagnose(binary, self.data_dir, console, log))

    def _become_primary(self, deadline: float) -> None:
        """Initiate a replica set of one on the first start; wait until it has elected itself."""
        with direct_client(self.address, self._credentials) as client:
            try:
                initiate_once(client, str(self.replica_set), self.address)
                self._wait_until(
                    lambda: bool(client.admin.command("hello").get("isWritablePrimary")),
                    deadline,
                    "it does not become primary",
                )
                ensure_user(client, self.address, self._credentials)
            except PyMongoError as error:
                raise StoreUnavailable(f"the replica set cannot be set up: {error}") from None
            except _Ended:
                raise StoreUnavailable(
                    f"mongod ended while it started (its log: {self.log_file})"
                ) from None

    def _make_user(self) -> None:
        """Make sure that our password opens a mongod that is no member of a replica set.

        In a set of several there is one user for all, made where there is a primary.
        """
        if self.replica_set:
            return
        try:
            with direct_client(self.address, self._credentials) as client:
                ensure_user(client, self.address, self._credentials)
        except PyMongoError as error:
            self._stop()
            raise StoreUnavailable(f"mongod takes no password: {error}") from None

    # Stop.

    def ask_to_stop(self) -> None:
        """Begin to stop it, and do not wait: several then stop at the same time."""
        self._ending.set()
        with self._life:
            if self._process is not None:
                self._process.ask_to_stop()

    def stop(self, timeout: float = 30.0) -> None:
        """Stop it cleanly (SIGTERM, after ``timeout`` seconds SIGKILL); safe to repeat."""
        self._ending.set()
        with self._life:
            self._stop(timeout)

    def _stop(self, timeout: float = 30.0) -> None:
        if self._process is not None:
            self._process.stop(timeout)
            self._forget_process()

    def kill(self) -> None:
        """End it as a power cut would: ``kill -9``, no chance to write anything."""
        self._ending.set()
        with self._life:
            self._signal(signal.SIGKILL)
            self._forget_process()

    def pause(self) -> None:
        """Freeze the process (SIGSTOP): connections stay open, nobody answers."""
        if self._process is not None:
            self._process.freeze()

    def resume(self) -> None:
        """Let a frozen process run on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.signal(number)

    def _forget_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.wait_for_end()
        atexit.unregister(self.stop)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._temporary:
            remove_temporary(self.data_dir)

    def __repr__(self) -> str:
        state = f"pid {self.pid}" if self.running else "stopped"
        return f"<LocalMongod {self.address} {state}>"


class _Ended(Exception):
    """The process ended while we waited for it."""
