"""``python -m goim_edu serve``: the chat server, until a signal ends it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from goim_edu.cli.command import CommandError, Subparsers

if TYPE_CHECKING:
    from goim_edu.server import ServerConfig
    from goim_edu.store import MessageStore

__all__ = ["add"]


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


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "serve",
        help="run the chat server",
        description="Run the chat server: / is the chat page, /chat and /echo speak WebSocket.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.set_defaults(run=_run)
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


def _run(args: argparse.Namespace) -> int:
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
            os._exit(1)  # nothing is waited for; a mongod of ours ends by its watchdog
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
