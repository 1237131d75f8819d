"""A real MongoDB for lessons and tests: one node, or a replica set whose primary may be killed."""

from goim_edu.lab.mongo.binary import find_mongod, why_no_mongod
from goim_edu.lab.mongo.command_log import Command, CommandLog
from goim_edu.lab.mongo.need import need_mongod
from goim_edu.lab.mongo.replica_set import LocalReplicaSet, MemberStatus
from goim_edu.lab.mongo.server import LocalMongod

__all__ = [
    "Command",
    "CommandLog",
    "LocalMongod",
    "LocalReplicaSet",
    "MemberStatus",
    "find_mongod",
    "need_mongod",
    "why_no_mongod",
]
