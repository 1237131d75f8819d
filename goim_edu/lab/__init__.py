"""The equipment of the lessons: a live server, failing links, conformance cases, a nemesis.

Nothing is loaded before it is asked for: a server needs the store, a card needs the pictures.
"""

from typing import TYPE_CHECKING

from goim_edu.lazy import lazy_names

if TYPE_CHECKING:
    from goim_edu.feedback.wording import said
    from goim_edu.lab.bench_figures import measured
    from goim_edu.lab.cluster import Cluster
    from goim_edu.lab.conformance import take_cases
    from goim_edu.lab.counting_file import CountingFile
    from goim_edu.lab.fork import fork
    from goim_edu.lab.gated_server import GatedServer
    from goim_edu.lab.hello import say_hello
    from goim_edu.lab.history import Violation, check_history
    from goim_edu.lab.learner_server import LearnersServer, serve_with
    from goim_edu.lab.link import Faults, Link
    from goim_edu.lab.live_server import LiveServer
    from goim_edu.lab.nemesis import Nemesis
    from goim_edu.lab.news import BROWSER, Lane, News, race
    from goim_edu.lab.night import Night, kill_while_talking
    from goim_edu.lab.proxy import NaiveProxy, Site
    from goim_edu.lab.records import Acked, Heard, Joined, Left, Record, Refused, Sent
    from goim_edu.lab.server_process import ServerProcess
    from goim_edu.lab.sharding import Chunk, ShardedModel
    from goim_edu.lab.waiting import waiting_for

__all__ = [
    "BROWSER",
    "Acked",
    "Chunk",
    "Cluster",
    "CountingFile",
    "Faults",
    "GatedServer",
    "Heard",
    "Joined",
    "Lane",
    "LearnersServer",
    "Left",
    "Link",
    "LiveServer",
    "NaiveProxy",
    "Nemesis",
    "News",
    "Night",
    "Record",
    "Refused",
    "Sent",
    "ServerProcess",
    "ShardedModel",
    "Site",
    "Violation",
    "check_history",
    "fork",
    "kill_while_talking",
    "measured",
    "race",
    "said",
    "say_hello",
    "serve_with",
    "take_cases",
    "waiting_for",
]

_MODULES = {
    "BROWSER": "goim_edu.lab.news",
    "Acked": "goim_edu.lab.records",
    "Chunk": "goim_edu.lab.sharding",
    "Cluster": "goim_edu.lab.cluster",
    "CountingFile": "goim_edu.lab.counting_file",
    "Faults": "goim_edu.lab.link",
    "GatedServer": "goim_edu.lab.gated_server",
    "Heard": "goim_edu.lab.records",
    "Joined": "goim_edu.lab.records",
    "Lane": "goim_edu.lab.news",
    "LearnersServer": "goim_edu.lab.learner_server",
    "Left": "goim_edu.lab.records",
    "Link": "goim_edu.lab.link",
    "LiveServer": "goim_edu.lab.live_server",
    "NaiveProxy": "goim_edu.lab.proxy",
    "Nemesis": "goim_edu.lab.nemesis",
    "News": "goim_edu.lab.news",
    "Night": "goim_edu.lab.night",
    "Record": "goim_edu.lab.records",
    "Refused": "goim_edu.lab.records",
    "Sent": "goim_edu.lab.records",
    "ServerProcess": "goim_edu.lab.server_process",
    "ShardedModel": "goim_edu.lab.sharding",
    "Site": "goim_edu.lab.proxy",
    "Violation": "goim_edu.lab.history",
    "check_history": "goim_edu.lab.history",
    "fork": "goim_edu.lab.fork",
    "kill_while_talking": "goim_edu.lab.night",
    "measured": "goim_edu.lab.bench_figures",
    "race": "goim_edu.lab.news",
    "said": "goim_edu.feedback.wording",
    "say_hello": "goim_edu.lab.hello",
    "serve_with": "goim_edu.lab.learner_server",
    "take_cases": "goim_edu.lab.conformance",
    "waiting_for": "goim_edu.lab.waiting",
}


if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(globals(), _MODULES)
