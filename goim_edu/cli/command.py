"""What all commands of the command line share."""

from __future__ import annotations

from typing import Any

__all__ = ["CommandError", "Subparsers"]

Subparsers = Any  # argparse has no public name for it


class CommandError(Exception):
    """The command cannot be carried out; the text is the one line that the user gets."""
