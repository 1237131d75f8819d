"""How one side wants to compress: windows, context takeover, memory (RFC 7692 §7.1)."""

from typing import NamedTuple

from goim_edu.websocket.checked import checked
from goim_edu.websocket.wanted import wanted

__all__ = ["DeflateConfig", "as_config"]

_RANGES = {
    "server_max_window_bits": (9, 15),
    "client_max_window_bits": (9, 15),
    "level": (-1, 9),
    "mem_level": (1, 9),
    "max_members": (1, 1_000_000),
}


def _check(config: "DeflateConfig") -> None:
    for name, (low, high) in _RANGES.items():
        value = getattr(config, name)
        if value is None and name == "server_max_window_bits":
            continue
        wanted(value, int, f"{name} is an int")
        if not low <= value <= high:
            raise ValueError(f"{name} is {value}, not {low} to {high}")


@checked(_check)
class DeflateConfig(NamedTuple):
    """How we want to compress; a handshake agrees on how both sides do.

    Args:
        server_max_window_bits: the largest window of the server's messages, 9 to 15. None: a
            server takes 12, and a client asks for nothing.
        client_max_window_bits: the largest window of the client's messages, 9 to 15.
        server_no_context_takeover: the server's messages each start with an empty window.
        client_no_context_takeover: the client's messages each start with an empty window.
        level: how hard to try, 1 (fast) to 9 (small); 0 stores, -1 is zlib's default.
        mem_level: how much memory the compressor takes, 1 to 9.
        max_members: how many DEFLATE streams one message may hold (§7.2.3.4), at least 1.

    A compressor takes about ``2**(window_bits + 2) + 2**(mem_level + 9)`` octets and 6 KiB more, a
    decompressor ``2**window_bits`` and 7 KiB more: 38 KiB and 11 KiB as set here, 262 KiB and
    39 KiB in zlib.

    Raises:
        TypeError: a value is not an ``int``.
        ValueError: a value is out of its range.

    >>> DeflateConfig(server_max_window_bits=10).client_max_window_bits
    12
    """

    server_max_window_bits: int | None = None
    client_max_window_bits: int = 12
    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    level: int = -1
    mem_level: int = 5
    max_members: int = 64


def as_config(compression: DeflateConfig | bool | None) -> DeflateConfig | None:
    """The setting ``compression`` in its full form; None agrees on no compression.

    Raises:
        TypeError: it is something else.

    >>> as_config(True) == DeflateConfig(), as_config(False)
    (True, None)
    """
    if compression is None or isinstance(compression, DeflateConfig):
        return compression
    if isinstance(compression, bool):
        return DeflateConfig() if compression else None
    raise TypeError(f"compression is True, False or a DeflateConfig, not {compression!r}")
