"""``python -m goim_edu serve``: the chat server, until a signal ends it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from goim_edu.chat.limits import ChatLimits
from goim_edu.cli.command import CommandError, Subparsers, say, when_stdin_ends
from goim_edu.cli.options import in_flags, options_of
from goim_edu.cli.workers import Place, join_parent, run_parent, share
from goim_edu.errors import needs_extra
from goim_edu.serving.config import ServerConfig
from goim_edu.serving.tally import SharedTally

if TYPE_CHECKING:
    from goim_edu.store import MessageStore

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "serve",
        help="run the chat server",
        description="Run the chat server: / is the chat page, /chat and /echo speak WebSocket.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.set_defaults(run=lambda args: _run(args, parser))
    address = parser.add_argument_group("address")
    storage = parser.add_argument_group("storage")
    limits = parser.add_argument_group("limits")
    access = parser.add_argument_group("access")
    running = parser.add_argument_group("running")
    groups = dict.fromkeys(_ADDRESS, address) | dict.fromkeys(_ACCESS, access)
    for option in options_of(ServerConfig, ChatLimits):
        groups.get(option.name, limits).add_argument(option.flag, **option.details)
    storage.add_argument(
        "--mongo",
        default="auto",
        metavar="auto|memory|local|mongodb://...|@FILE",
        help="where messages are kept; auto: $GOIM_MONGO_URI, else a local mongod, else memory; "
        "@FILE: at the URI in the file's first line, which other users of the machine do not see",
    )
    storage.add_argument("--data-dir", type=Path, metavar="DIR", help="where local keeps its data")
    running.add_argument(
        "--workers",
        type=_at_least_one,
        default=1,
        metavar="N",
        help="processes that share the port and serve one chat",
    )
    running.add_argument("--end-with-stdin", action="store_true", help=argparse.SUPPRESS)
    running.add_argument("--place", type=Place.parse, help=argparse.SUPPRESS)  # of a worker
    running.add_argument(
        "--loop", choices=("asyncio", "uvloop"), default="asyncio", help="the event loop"
    )
    running.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="what is logged on stderr",
    )


def _at_least_one(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, not {text!r}")
    return number


_ADDRESS: Final = ("host", "port")
_ACCESS: Final = (
    *("origins", "hosts", "trusted_proxies", "auth", "jwt_secret", "jwt_public_key"),
    *("jwt_leeway", "jwt_audience", "tls_cert", "tls_key", "hsts", "metrics_token", "insecure"),
)


def _config(args: argparse.Namespace, parser: argparse.ArgumentParser) -> ServerConfig:
    options = options_of(ServerConfig, ChatLimits)
    names = {option.name for option in options}
    settings = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(args).items()
        if name in names
    }
    try:
        return ServerConfig.of(**settings)
    except ValueError as error:
        parser.error(in_flags(str(error), options))


def _run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    config = _config(args, parser)
    from goim_edu.serving.logs import log_to_stderr
    from goim_edu.store import open_store

    _allow_many_sockets()
    new_loop = _loop_factory(args.loop)
    try:
        config.check()
    except (OSError, ValueError) as error:
        why = in_flags(str(error), options_of(ServerConfig, ChatLimits))
        raise CommandError(f"cannot serve: {why}") from None
    place: Place | None = args.place
    with log_to_stderr(args.log_level):
        if place is None:
            _warn_of_password(args.mongo, "database", "--mongo @FILE or $GOIM_MONGO_URI")
            _warn_of_password(config.bus, "bus", "--bus @FILE")
            if args.workers > 1:
                return run_parent(args, config)
        config, sock = (config, None) if place is None else share(config, place)
        with _open_or_say_why(lambda: open_store(args.mongo, data_dir=args.data_dir)) as store:
            server = _make_server(config, store, sock)
            if place is None:
                say(f"messages are kept in {store.description}", error=True)
            else:
                server.admission.others = SharedTally(place.tally, place.workers, place.index)
            watch = args.end_with_stdin and place is None  # of a family the parent watches it
            with asyncio.Runner(loop_factory=new_loop) as runner:
                return runner.run(_run_server(server, place, end_with_stdin=watch))


def _make_server(config: ServerConfig, store: MessageStore, sock: socket.socket | None) -> Any:
    from goim_edu.server import ChatServer

    try:
        return ChatServer(config, store, sock=sock)
    except ValueError as error:
        raise CommandError(in_flags(str(error), options_of(ServerConfig, ChatLimits))) from None


def _warn_of_password(address: str, whose: str, instead: str) -> None:
    """Say so when a password stands where every user of the machine can read it (ps(1))."""
    if re.match(r"[\w+]+://[^/]*:[^/@]*@", address):
        logging.getLogger("goim_edu.server").warning(
            "the command line shows the password of the %s to other users of this machine: use %s",
            whose,
            instead,
        )


def _open_or_say_why(open_: Callable[[], MessageStore]) -> MessageStore:
    """Open the store; a wrong address or folder is told in one line, like an absent server."""
    try:
        return open_()
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot open the store: {error}") from None


async def _run_server(
    server: Any, place: Place | None = None, *, end_with_stdin: bool = False
) -> int:
    """Serve until SIGTERM or SIGINT, then drain; a second one ends it at once.

    SIGHUP reads the certificate anew. It does not end the server, also where there is none. With
    ``end_with_stdin`` it also ends when its standard input does: when the process that started it
    is gone, however that went.
    """
    config = server.config
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        # Of a worker the parent decides that. systemd sends its signals to both of them, and the
        # parent passes them on.
        if stop.is_set() and place is None:
            logging.getLogger("goim_edu.server").warning("second signal: exit at once")
            logging.shutdown()  # writes the lines that wait
            os._exit(1)  # nothing is waited for; a mongod of ours ends by its watchdog
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    loop.add_signal_handler(signal.SIGHUP, server.certificate.renew)
    if end_with_stdin:
        when_stdin_ends(stop.set)
    try:
        await server.start()
    except OSError as error:
        where = f"{config.host}:{config.port}"
        raise CommandError(f"cannot listen on {where}: {error.strerror or error}") from None
    line = None
    if place is None:
        say(f"listening on {server.base_url}")
    else:
        line = loop.create_task(join_parent(server, place, stop.set))
    ends = {loop.create_task(stop.wait()), loop.create_task(server.wait_closed())}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    await server.drain()
    if line is not None:
        line.cancel()
    return 0 if stop.is_set() else 1  # another server has taken our place


def _loop_factory(name: Literal["asyncio", "uvloop"]) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop."""
    if name == "asyncio":
        return asyncio.new_event_loop
    with needs_extra("fast"):
        import uvloop
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
