"""Where the bus is: the addresses in the setting ``bus``."""

from __future__ import annotations

from goim_edu.address_file import read_address

__all__ = ["bus_servers"]


def bus_servers(bus: str) -> list[str]:
    """The addresses in the setting ``bus``, or in the file that it names after an ``@``.

    >>> bus_servers("nats://a:4222,b")
    ['nats://a:4222', 'nats://b']

    Raises:
        ValueError: it is something else.
    """
    if bus.startswith("@"):
        try:
            bus = read_address(bus[1:])
        except ValueError as error:
            raise ValueError(f"bus: {error}") from None
    scheme, found, hosts = bus.partition("://")
    names = [name.strip() for name in hosts.split(",")]
    if scheme not in ("nats", "tls") or not found or not all(names):
        shown = bus.rpartition("@")[2] if "@" in bus else bus  # no password in a message
        raise ValueError(f"bus must be addresses such as nats://a:4222,b:4222, not {shown!r}")
    return [name if "://" in name else f"{scheme}://{name}" for name in names]
