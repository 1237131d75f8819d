"""The figures of a running server, in the text format of Prometheus.

The server counts with plain numbers. They become metrics only when a request for them comes, so
counting costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from goim_edu.serving.ports import ObservedServer

__all__ = ["ServerMetrics"]

_KIND: Final = "text/plain; version=0.0.4; charset=utf-8"
_ROUND_TRIPS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_ENGINE: Final = {
    "opened": "WebSockets opened",
    "refused": "connections and opening handshakes refused",
    "tls_failed": "TLS handshakes that failed or were cut off at their deadline",
    "failed": "connections on which the peer broke a rule",
    "slow_closed": "slow readers closed with 1013",
    "dropped": "droppable frames that a slow reader missed",
    "silent_closed": "silent peers given up",
    "we_were_late": "times a peer was excused since our own loop was late",
    "timed_out": "opening or closing handshakes cut off at their deadline",
    "costly_reads": "reads that waited for their turn since they cost much",
    "half_messages": "connections closed since a message did not arrive in time",
    "gave_way": "connections closed since the memory limit was reached",
    "rests": "times a peer was read later since it had spent its allowance",
}


class ServerMetrics(Collector):
    """The metrics of one server.

    Args:
        server: the one that is measured.
        registry: where they are registered; default: one of their own.

    Raises:
        ValueError: another server is in this registry already.
    """

    def __init__(self, server: ObservedServer, registry: CollectorRegistry | None = None) -> None:
        self._server = server
        self.registry = CollectorRegistry() if registry is None else registry
        self.registry.register(self)

    def close(self) -> None:
        """Take them out of the registry, since the server is closed."""
        self.registry.unregister(self)

    def text(self) -> tuple[bytes, str]:
        """The metrics as they are now, and their content type."""
        return generate_latest(self.registry), _KIND

    def describe(self) -> Iterator[Metric]:
        """Yield what there is: a registry looks at the names when this is registered."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield from self._engine()
        yield from self._chat()
        yield from self._cluster()
        yield from self._connections()

    def _engine(self) -> Iterator[Metric]:
        engine = self._server.engine
        yield CounterMetricFamily("goim_bytes_in", "Octets read", engine.bytes_in)
        yield CounterMetricFamily("goim_bytes_out", "Octets written", engine.bytes_out)
        stats = engine.stats
        yield GaugeMetricFamily(
            "goim_kept_bytes",
            "Octets that slow readers and half received messages take, in all",
            engine.memory.total,
        )
        yield GaugeMetricFamily(
            "goim_kept_bytes_limit", "What these may be", self._server.config.memory_limit
        )
        yield CounterMetricFamily(
            "goim_handshakes_deferred",
            "Opening handshakes that were asked to come later",
            self._server.handshakes.deferred,
        )
        for name, what in _ENGINE.items():
            yield CounterMetricFamily(f"goim_{name}", what.capitalize(), getattr(stats, name))

    def _chat(self) -> Iterator[Metric]:
        hub = self._server.hub
        yield GaugeMetricFamily("goim_sessions", "Chat sessions", len(hub.sessions))
        yield GaugeMetricFamily("goim_rooms", "Rooms that are not empty", len(hub.rooms))
        questions = getattr(self._server.store, "questions", None)
        if questions is not None:  # a store of one's own need not count them
            yield GaugeMetricFamily(
                "goim_store_questions",
                "Questions that wait for a reader of the store",
                questions,
            )
        yield CounterMetricFamily(
            "goim_acknowledged", "Messages stored and acknowledged", hub.stats.acknowledged
        )
        errors = CounterMetricFamily("goim_errors", "Requests refused, by code", labels=["code"])
        for code, number in sorted(hub.stats.errors.items()):
            errors.add_metric([code], number)
        yield errors
        yield GaugeMetricFamily(
            "goim_uptime_seconds", "Seconds since the start", self._server.uptime
        )

    def _cluster(self) -> Iterator[Metric]:
        """What a server does as one of several; a server that is alone fills no gaps."""
        hub, node = self._server.hub, self._server.node
        fills = CounterMetricFamily(
            "goim_gate_fills", "Looks into the store for messages that were missing", labels=["why"]
        )
        for why, number in sorted(hub.stats.fills.items()):
            fills.add_metric([why], number)
        yield fills
        yield GaugeMetricFamily(
            "goim_gate_held",
            "Messages that wait for an earlier one",
            sum(room.gate.held for room in hub.rooms.values()),
        )
        stats = getattr(self._server.store, "stats", None)
        if stats is not None:
            yield CounterMetricFamily(
                "goim_seq_conflicts", "Numbers that another server took first", stats.conflicts
            )
        if node is None:
            return
        yield GaugeMetricFamily("goim_peers", "Other servers that are alive", len(node.peers))
        stream = node.follower.stats
        yield CounterMetricFamily("goim_stream_events", "Events of the stream", stream.events)
        yield CounterMetricFamily(
            "goim_stream_reopened",
            "Times the change stream broke and was opened anew",
            stream.reopened,
        )
        yield GaugeMetricFamily(
            "goim_stream_lag_seconds",
            "Age of the last event of the change stream, or seconds that it has been silent",
            node.lag,
        )

    def _connections(self) -> Iterator[Metric]:
        infos = self._server.connections()
        queued = [info.queued for info in infos]
        starting = self._server.starting
        yield GaugeMetricFamily(
            "goim_connections", "Connections, from their first octet", len(infos) + starting
        )
        yield GaugeMetricFamily("goim_tls_handshakes", "TLS handshakes under way", starting)
        yield GaugeMetricFamily(
            "goim_queued_bytes", "Octets that wait for slow readers, in all", sum(queued)
        )
        yield GaugeMetricFamily(
            "goim_queued_bytes_max",
            "Octets that wait for the slowest reader",
            max(queued, default=0),
        )
        trips = sorted(info.latency for info in infos if info.latency is not None)
        buckets = [
            (str(bound), float(sum(trip <= bound for trip in trips))) for bound in _ROUND_TRIPS
        ]
        yield HistogramMetricFamily(
            "goim_round_trip_seconds",
            "Last round trip of each connection, from ping to pong",
            buckets=[*buckets, ("+Inf", float(len(trips)))],
            sum_value=sum(trips),
        )
