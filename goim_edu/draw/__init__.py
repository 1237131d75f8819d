"""Pictures made from real frames, captures and documents; each says in words what it shows."""

from goim_edu.draw.bson_bytes import bson_document
from goim_edu.draw.deflated import compression
from goim_edu.draw.frames import frame
from goim_edu.draw.growth import growth
from goim_edu.draw.joining import fragments
from goim_edu.draw.object_ids import object_id
from goim_edu.draw.opening import accept_chain, handshake
from goim_edu.draw.palette import OKABE_ITO
from goim_edu.draw.picture import Picture
from goim_edu.draw.pulse import round_trips
from goim_edu.draw.queues import queue_bytes
from goim_edu.draw.replicas import replica_roles
from goim_edu.draw.scans import scans
from goim_edu.draw.sequence import conversation
from goim_edu.draw.shards import shards
from goim_edu.draw.traffic import traffic
from goim_edu.draw.trips import trips
from goim_edu.draw.xor import masking

__all__ = [
    "OKABE_ITO",
    "Picture",
    "accept_chain",
    "bson_document",
    "compression",
    "conversation",
    "fragments",
    "frame",
    "growth",
    "handshake",
    "masking",
    "object_id",
    "queue_bytes",
    "replica_roles",
    "round_trips",
    "scans",
    "shards",
    "traffic",
    "trips",
]
