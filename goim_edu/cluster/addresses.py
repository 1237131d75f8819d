"""Where the bus is: the addresses in the setting ``bus``."""

from __future__ import annotations

__all__ = ["bus_servers"]


def bus_servers(bus: str) -> list[str]:
    """The addresses in the setting ``bus``.

    >>> bus_servers("nats://a:4222,b")
    ['nats://a:4222', 'nats://b']

    Raises:
        ValueError: it is something else.
    """
    scheme, found, hosts = bus.partition("://")
    names = [name.strip() for name in hosts.split(",")]
    if scheme not in ("nats", "tls") or not found or not all(names):
        raise ValueError(f"bus must be addresses such as nats://a:4222,b:4222, not {bus!r}")
    return [name if "://" in name else f"{scheme}://{name}" for name in names]
