"""Pictures made from real frames, captures and documents; each says in words what it shows."""

from goim_edu.draw.accept_chain import accept_chain
from goim_edu.draw.bars import bars
from goim_edu.draw.bson_document import bson_document
from goim_edu.draw.compression import compression
from goim_edu.draw.conversation import conversation
from goim_edu.draw.fragments import fragments
from goim_edu.draw.frame import frame
from goim_edu.draw.growth import growth
from goim_edu.draw.handshake import handshake
from goim_edu.draw.masking import masking
from goim_edu.draw.object_id import object_id
from goim_edu.draw.picture import Picture
from goim_edu.draw.queue_bytes import queue_bytes
from goim_edu.draw.replica_roles import replica_roles
from goim_edu.draw.round_trips import round_trips
from goim_edu.draw.scans import scans
from goim_edu.draw.shards import shards
from goim_edu.draw.story import story
from goim_edu.draw.traffic import traffic
from goim_edu.draw.trips import trips
from goim_edu.palette import OKABE_ITO

__all__ = [
    "OKABE_ITO",
    "Picture",
    "accept_chain",
    "bars",
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
    "story",
    "traffic",
    "trips",
]
