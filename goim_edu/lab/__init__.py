"""The equipment of the lessons: a live server, a bad network, a naive proxy, conformance cases.

Nothing is loaded before it is asked for: a server needs the store, a card needs the pictures.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goim_edu.feedback.wording import said
    from goim_edu.lab.conformance import take_cases
    from goim_edu.lab.learner_server import serve_with
    from goim_edu.lab.link import Link
    from goim_edu.lab.live_server import LiveServer
    from goim_edu.lab.news import News
    from goim_edu.lab.proxy import NaiveProxy, Site

__all__ = [
    "Link",
    "LiveServer",
    "NaiveProxy",
    "News",
    "Site",
    "said",
    "serve_with",
    "take_cases",
]

_MODULES = {
    "Link": "goim_edu.lab.link",
    "LiveServer": "goim_edu.lab.live_server",
    "NaiveProxy": "goim_edu.lab.proxy",
    "News": "goim_edu.lab.news",
    "Site": "goim_edu.lab.proxy",
    "said": "goim_edu.feedback.wording",
    "serve_with": "goim_edu.lab.learner_server",
    "take_cases": "goim_edu.lab.conformance",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
