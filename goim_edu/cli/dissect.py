"""``python -m goim_edu dissect``: print the WebSocket frames of a pcap or pcapng file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from goim_edu.cli.command import CommandError, Subparsers, reason_of

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    what = "print the WebSocket frames of a pcap or pcapng file"
    more = "What can be read is printed in any case; the exit code is 2 if packets are missing from"
    more += " the file, or if it is damaged."
    parser = commands.add_parser("dissect", help=what, description=f"{what.capitalize()}. {more}")
    parser.set_defaults(run=_run)
    parser.add_argument("file", type=Path, help="a pcap or pcapng file, perhaps in gzip")
    parser.add_argument("--details", action="store_true", help="print every field of every frame")
    parser.add_argument(
        "--connection", type=int, metavar="N", help="print only the N-th connection"
    )
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="whether to use colours",
    )
    parser.add_argument(
        "--lossy",
        action="store_true",
        help="exit with 0 also if packets are missing from the file, or it is damaged",
    )


def _run(args: argparse.Namespace) -> int:
    from goim_edu.capture.dissect import run
    from goim_edu.printable import printable

    try:
        run(
            args.file,
            details=args.details,
            connection=args.connection,
            colour=args.color,
            lossy=args.lossy,
            tell=lambda line: print(f"goim_edu: {printable(line)}", file=sys.stderr),
        )
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"cannot read {args.file}: {reason_of(error)}") from None
    except ValueError as error:
        raise CommandError(str(error)) from None
    return 0
