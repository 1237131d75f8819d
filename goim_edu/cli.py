"""The command line: ``python -m goim_edu serve`` and its sisters.

Each command is one function that adds its options, and one that runs it and returns the exit
code: 0 for good, 2 for what cannot work as it was asked, with one line on stderr that says why.
What a command needs is imported when it runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from goim_edu import __version__
from goim_edu.errors import StoreError

if TYPE_CHECKING:
    from goim_edu.server import ServerConfig
    from goim_edu.store import MessageStore

__all__ = ["main"]

Subparsers = Any  # argparse has no public name for it


class CommandError(Exception):
    """What was asked cannot be done; the text is the one line that the user gets."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments, without the program's name; default: those of this process.

    Returns:
        The exit code.

    >>> main(["--version"])
    Traceback (most recent call last):
    ...
    SystemExit: 0
    """
    parser = argparse.ArgumentParser(
        prog="python -m goim_edu", description="WebSocket, chat and MongoDB, to learn from."
    )
    parser.add_argument("--version", action="version", version=f"goim_edu {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in _COMMANDS:
        add(commands)
    args = parser.parse_args(argv)
    run = cast("Callable[[argparse.Namespace], int]", args.run)
    try:
        return run(args)
    except (CommandError, StoreError) as error:
        print(f"goim_edu: {error}", file=sys.stderr)
        return 2


# ---------------------------------------------------------------------- serve


def _at_least(lowest: float, kind: type[int | float]) -> Callable[[str], float]:
    """A number of that kind that is not below ``lowest``."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if not lowest <= value < 1e18:
            raise argparse.ArgumentTypeError(f"{text} is less than {lowest:g}, or beyond reason")
        return value

    return read


def _port(text: str) -> int:
    """A port, 0 for any that is free."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _add_serve(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "serve",
        help="run the chat server",
        description="Run the chat server: / is the chat page, /chat and /echo speak WebSocket.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.set_defaults(run=_serve)
    _add_where(parser.add_argument_group("where"))
    _add_limits(parser.add_argument_group("limits"))
    _add_who(parser.add_argument_group("who may come in"))


def _add_where(group: Any) -> None:
    group.add_argument("--host", default="127.0.0.1", help="address to listen on")
    group.add_argument("--port", type=_port, default=8765, help="0 picks a free one")
    group.add_argument(
        "--mongo",
        default="auto",
        metavar="auto|memory|local|mongodb://...",
        help="where messages are kept; auto: $GOIM_MONGO_URI, else a local mongod, else memory",
    )
    group.add_argument("--data-dir", type=Path, metavar="DIR", help="where local keeps its data")
    group.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    group.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")


def _add_limits(group: Any) -> None:
    seconds, number = _at_least(0.001, float), _at_least(1, int)
    group.add_argument("--max-message-size", type=number, default=1 << 20, metavar="BYTES")
    group.add_argument(
        "--no-compression", action="store_true", help="do not agree on permessage-deflate"
    )
    group.add_argument(
        "--heartbeat-interval",
        type=_at_least(0, float),
        default=20.0,
        metavar="S",
        help="seconds between pings, 0 for none",
    )
    group.add_argument("--heartbeat-timeout", type=seconds, default=20.0, metavar="S")
    group.add_argument(
        "--rate",
        type=seconds,
        default=100.0,
        metavar="PER_SECOND",
        help="requests of one session in the long run",
    )
    group.add_argument("--burst", type=number, default=500, help="requests at once")
    group.add_argument("--max-text", type=number, default=4096, metavar="CHARACTERS")
    group.add_argument("--max-rooms", type=number, default=50, help="rooms of one session")
    group.add_argument("--max-members", type=number, default=5000, help="sessions in one room")
    group.add_argument("--max-connections", type=number, default=10_000)
    group.add_argument("--max-per-ip", type=number, default=2_000)
    group.add_argument(
        "--queue-limit",
        type=number,
        default=1 << 20,
        metavar="BYTES",
        help="what may wait for a slow reader",
    )
    group.add_argument("--open-timeout", type=seconds, default=10.0, metavar="S")
    group.add_argument("--hello-timeout", type=seconds, default=10.0, metavar="S")
    group.add_argument("--close-timeout", type=seconds, default=5.0, metavar="S")
    group.add_argument("--drain-timeout", type=seconds, default=10.0, metavar="S")


def _add_who(group: Any) -> None:
    group.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a page that may connect besides our own, 'loopback' or '*'; may be repeated",
    )
    group.add_argument("--auth", choices=("none", "jwt"), default="none")
    group.add_argument("--jwt-secret", type=Path, metavar="FILE", help="shared secret, HS256")
    group.add_argument("--jwt-public-key", type=Path, metavar="FILE", help="PEM, RS256")
    group.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain, PEM")
    group.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, PEM")
    group.add_argument(
        "--insecure",
        action="store_true",
        help="listen beyond this machine without authentication and TLS",
    )


def _config(args: argparse.Namespace) -> ServerConfig:
    from goim_edu.server import ServerConfig

    return ServerConfig(
        host=args.host,
        port=args.port,
        max_message_size=args.max_message_size,
        compression=not args.no_compression,
        heartbeat_interval=args.heartbeat_interval,
        heartbeat_timeout=args.heartbeat_timeout,
        rate=args.rate,
        burst=args.burst,
        max_text=args.max_text,
        max_rooms=args.max_rooms,
        max_members=args.max_members,
        max_connections=args.max_connections,
        max_per_ip=args.max_per_ip,
        queue_limit=args.queue_limit,
        open_timeout=args.open_timeout,
        hello_timeout=args.hello_timeout,
        close_timeout=args.close_timeout,
        drain_timeout=args.drain_timeout,
        origins=tuple(args.allow_origin),
        auth=args.auth,
        jwt_secret=args.jwt_secret,
        jwt_public_key=args.jwt_public_key,
        tls_cert=args.tls_cert,
        tls_key=args.tls_key,
        insecure=args.insecure,
    )


def _serve(args: argparse.Namespace) -> int:
    from goim_edu.server import ChatServer
    from goim_edu.store import open_store

    logging.basicConfig(
        level=args.log_level.upper(),
        stream=sys.stderr,
        format="%(asctime)s level=%(levelname)s logger=%(name)s %(message)s",
    )
    _allow_many_sockets()
    new_loop = _loop_factory(args.loop)
    config = _config(args)
    try:
        config.check()
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot serve: {error}") from None
    with _open_or_say_why(lambda: open_store(args.mongo, data_dir=args.data_dir)) as store:
        print(f"messages are kept in {store.description}", file=sys.stderr, flush=True)
        server = ChatServer(config, store)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(_run_server(server))


def _open_or_say_why(open_: Callable[[], MessageStore]) -> MessageStore:
    """Open the store; a wrong address or folder is told in one line, like an absent server."""
    try:
        return open_()
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot open the store: {error}") from None


async def _run_server(server: Any) -> int:
    """Serve until SIGTERM or SIGINT, then drain; a second one ends it at once."""
    config = server.config
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            logging.getLogger("goim_edu.server").warning("second signal: exit at once")
            os._exit(1)  # nothing is waited for; a mongod of ours ends by its own guard
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        await server.start()
    except OSError as error:
        where = f"{config.host}:{config.port}"
        raise CommandError(f"cannot listen on {where}: {error.strerror or error}") from None
    print(f"listening on {server.url}", flush=True)
    await stop.wait()
    await server.drain()
    return 0


def _loop_factory(name: Literal["asyncio", "uvloop"]) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop."""
    if name == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError:
        raise CommandError(
            "uvloop is not installed: pip install 'goim-edu[fast]', or --loop asyncio"
        ) from None
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)


def _allow_many_sockets() -> None:
    """Lift the soft limit of open files to the hard one: each connection is a file."""
    try:
        import resource
    except ImportError:
        return  # not on this system, and neither is its limit
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = 1 << 20
    if soft < hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# ---------------------------------------------------------------------- chat


def _add_chat(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "chat", help="chat in this terminal", description="Chat in this terminal."
    )
    parser.set_defaults(run=_chat)
    parser.add_argument(
        "uri",
        nargs="?",
        default="ws://127.0.0.1:8765/chat",
        help="ws://HOST:PORT of a server, or wss://... (default: %(default)s)",
    )
    parser.add_argument("--name", help="who you are (default: your user name)")
    parser.add_argument("--room", default="lobby", help="where to go first (default: %(default)s)")
    parser.add_argument("--token", help="for a server with --auth jwt")
    parser.add_argument(
        "--history",
        type=int,
        choices=range(1, 201),
        default=20,
        metavar="N",
        help="earlier messages to show at first, 1 to 200 (default: %(default)s)",
    )


def _chat(args: argparse.Namespace) -> int:
    import getpass

    from goim_edu.terminal import run

    try:
        name = args.name or getpass.getuser()
        return run(args.uri, name, args.room, args.token, args.history)
    except (ValueError, RuntimeError) as error:
        raise CommandError(str(error)) from None


# ---------------------------------------------------------------------- mongo


def _add_mongo(commands: Subparsers) -> None:
    what = "run a real MongoDB on this machine"
    mongo = commands.add_parser("mongo", help=what, description=f"{what.capitalize()}.")
    start = mongo.add_subparsers(required=True, metavar="start").add_parser(
        "start",
        help="start it, say its URI, stop it at Ctrl-C",
        description="Start a mongod or a replica set on the loopback, until Ctrl-C.",
    )
    start.set_defaults(run=_start_mongo)
    start.add_argument(
        "--replica-set",
        type=int,
        choices=range(1, 8),
        default=1,
        metavar="MEMBERS",
        help="1 to 7; three can lose one and go on (default: %(default)s)",
    )
    start.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="where the data stay (default: for one member the user's data folder, for several "
        "a folder that is removed at the end)",
    )


def _start_mongo(args: argparse.Namespace) -> int:
    from goim_edu.lab.mongo.command import run

    return run(args.replica_set, args.data_dir)


# ---------------------------------------------------------------------- lab, dissect


def _add_lab(commands: Subparsers) -> None:
    # No character begins an option of ours: every word goes to JupyterLab as it is.
    parser = commands.add_parser("lab", help="open the course in JupyterLab", prefix_chars="+")
    parser.set_defaults(run=_lab)
    parser.add_argument("words", nargs="*", help="options of JupyterLab, such as --no-browser")


def _lab(args: argparse.Namespace) -> int:
    from goim_edu.lab.jupyter import run

    try:
        return run(args.words)
    except FileNotFoundError as error:
        raise CommandError(str(error)) from None


def _add_dissect(commands: Subparsers) -> None:
    what = "print what a pcap or pcapng file holds of WebSocket"
    parser = commands.add_parser("dissect", help=what, description=f"{what.capitalize()}.")
    parser.set_defaults(run=_dissect)
    parser.add_argument("file", type=Path, help="a pcap or pcapng file")
    parser.add_argument("--details", action="store_true", help="every field of every frame")
    parser.add_argument("--connection", type=int, metavar="N", help="only the N-th connection")
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto")
    parser.add_argument(
        "--lossy", action="store_true", help="go on where packets are missing from the file"
    )


def _dissect(args: argparse.Namespace) -> int:
    from goim_edu.dissect import run

    try:
        run(
            args.file,
            details=args.details,
            connection=args.connection,
            colour=args.color,
            lossy=args.lossy,
        )
    except (OSError, ValueError) as error:
        raise CommandError(str(error)) from None
    return 0


def _add_progress(commands: Subparsers) -> None:
    what = "show which exercises are done, and where to go on"
    progress = commands.add_parser("progress", help=what, description=f"{what.capitalize()}.")
    progress.set_defaults(run=_show_progress)


def _show_progress(_: argparse.Namespace) -> int:
    from goim_edu.exercises import progress

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may have no tick
    print(progress().plain())
    return 0


_COMMANDS: tuple[Callable[[Subparsers], None], ...] = (
    _add_serve,
    _add_chat,
    _add_lab,
    _add_mongo,
    _add_dissect,
    _add_progress,
)
"""Each adds one command; the order is that of ``--help``."""
