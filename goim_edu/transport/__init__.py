"""One asyncio socket around one endpoint: deadlines, backpressure, heartbeat, a tap for captures.

Two ways to use it:

* ``Connection`` calls a ``Handler`` back, once per read, with the events of that read. No task,
  no future and no timer belongs to a connection, so an idle one costs little.
* ``WebSocket`` is such a handler, for scripts and tests:
  ``async for message in ws``, ``await ws.send(...)``.

What all connections of one loop share is an ``Engine``:

* one read buffer, since what was read is dealt with before the next socket is read;
* one flush per turn of the loop: all that was written to a connection meanwhile goes out in one
  ``send``; what is written while a read is dealt with goes out at the end of that read;
* one wheel of timers, in place of a timer per connection;
* one budget of memory: when it is spent, the connection for which most is kept is closed;
* turns: a read that cost much is followed by a smaller one, and of the connections that cost much
  only one is read per turn. So a peer that sends 20,000 tiny frames a second waits, not the others.

A ``Connection`` has four floors: a ``Stream`` of octets, with a ``SlowReader`` only while the peer
reads too slowly; a ``WatchedStream`` with deadlines and a heartbeat; an ``EndpointStream``, which
sends messages; on top the handler. Its life is a table of states (``states``). The end (RFC 6455
§7) has one absolute deadline, whatever the peer does.
"""

from goim_edu.transport.connection import Connection, Handler
from goim_edu.transport.engine import Direction, Engine, EngineStats, Tap
from goim_edu.transport.socket import ConcurrencyError, ConnectionClosed, WebSocket
from goim_edu.transport.states import ConnectionState
from goim_edu.transport.timer_wheel import TimerWheel

__all__ = [
    "ConcurrencyError",
    "Connection",
    "ConnectionClosed",
    "ConnectionState",
    "Direction",
    "Engine",
    "EngineStats",
    "Handler",
    "Tap",
    "TimerWheel",
    "WebSocket",
]
