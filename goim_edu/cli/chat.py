"""``python -m goim_edu chat``: chat in this terminal."""

from __future__ import annotations

import argparse

from goim_edu.cli.command import CommandError, Subparsers

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "chat", help="chat in this terminal", description="Chat in this terminal."
    )
    parser.set_defaults(run=_run)
    parser.add_argument(
        "uri",
        nargs="?",
        default="ws://127.0.0.1:8765/chat",
        help="ws://HOST:PORT of a server, or wss://... (default: %(default)s)",
    )
    parser.add_argument("--name", help="your name in the chat (default: your user name)")
    parser.add_argument("--room", default="lobby", help="the first room (default: %(default)s)")
    parser.add_argument("--token", help="for a server with --auth jwt")
    parser.add_argument(
        "--history",
        type=int,
        choices=range(1, 201),
        default=20,
        metavar="N",
        help="earlier messages to show at first, 1 to 200 (default: %(default)s)",
    )


def _run(args: argparse.Namespace) -> int:
    import getpass

    from goim_edu.client.terminal import run

    try:
        name = args.name or getpass.getuser()
        return run(args.uri, name, args.room, args.token, args.history)
    except (ValueError, RuntimeError) as error:
        raise CommandError(str(error)) from None
