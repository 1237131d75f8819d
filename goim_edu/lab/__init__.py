"""The equipment of the lessons: a live server, failing links, conformance cases, a nemesis.

Nothing is loaded before it is asked for: a server needs the store, a card needs the pictures.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from goim_edu.feedback.wording import said
    from goim_edu.lab.conformance import take_cases
    from goim_edu.lab.history import (
        Acked,
        Heard,
        Joined,
        Left,
        Refused,
        Sent,
        Violation,
        check_history,
    )
    from goim_edu.lab.learner_server import serve_with
    from goim_edu.lab.link import Link
    from goim_edu.lab.live_server import LiveServer
    from goim_edu.lab.nemesis import Nemesis
    from goim_edu.lab.news import News
    from goim_edu.lab.proxy import NaiveProxy, Site
    from goim_edu.lab.server_process import ServerProcess

__all__ = [
    "Acked",
    "Heard",
    "Joined",
    "Left",
    "Link",
    "LiveServer",
    "NaiveProxy",
    "Nemesis",
    "News",
    "Refused",
    "Sent",
    "ServerProcess",
    "Site",
    "Violation",
    "check_history",
    "said",
    "serve_with",
    "take_cases",
]

_MODULES = {
    "Acked": "goim_edu.lab.history",
    "Heard": "goim_edu.lab.history",
    "Joined": "goim_edu.lab.history",
    "Left": "goim_edu.lab.history",
    "Link": "goim_edu.lab.link",
    "LiveServer": "goim_edu.lab.live_server",
    "NaiveProxy": "goim_edu.lab.proxy",
    "Nemesis": "goim_edu.lab.nemesis",
    "News": "goim_edu.lab.news",
    "Refused": "goim_edu.lab.history",
    "Sent": "goim_edu.lab.history",
    "ServerProcess": "goim_edu.lab.server_process",
    "Site": "goim_edu.lab.proxy",
    "Violation": "goim_edu.lab.history",
    "check_history": "goim_edu.lab.history",
    "said": "goim_edu.feedback.wording",
    "serve_with": "goim_edu.lab.learner_server",
    "take_cases": "goim_edu.lab.conformance",
}


if not TYPE_CHECKING:  # so that a type checker finds a misspelt name

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            value = globals()[name] = getattr(import_module(_MODULES[name]), name)
            return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
