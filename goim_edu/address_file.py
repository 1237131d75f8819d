"""An address in a file: it may hold a password, and everybody can read a command line."""

from __future__ import annotations

from pathlib import Path

__all__ = ["read_address"]


def read_address(file: str | Path) -> str:
    r"""The address in the first line of a file.

    Args:
        file: its path; ``~`` is the folder of the user.

    Raises:
        ValueError: there is none.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w+") as file:
    ...     _ = file.write("nats://ada:secret@localhost:4222\n")
    ...     file.flush()
    ...     read_address(file.name)
    'nats://ada:secret@localhost:4222'
    """
    try:
        line = Path(file).expanduser().read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise ValueError(f"{file} has no address: {why}") from None
    if "://" not in line:
        raise ValueError(f"the first line of {file} is not an address")
    return line
