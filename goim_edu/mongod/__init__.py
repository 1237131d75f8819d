"""A real MongoDB for lessons and tests: one node, or a replica set whose primary may be killed."""

from goim_edu.mongod.binary import find_mongod, why_no_mongod
from goim_edu.mongod.command_log import Command, CommandLog
from goim_edu.mongod.mongod import LocalMongod
from goim_edu.mongod.need import need_mongod
from goim_edu.mongod.replica_set import LocalReplicaSet, MemberStatus

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
