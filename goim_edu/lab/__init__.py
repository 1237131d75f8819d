"""A live server, a real MongoDB and a link that fails on demand, for lessons and tests."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goim_edu.lab.cases import take_cases as take_cases
    from goim_edu.lab.learners import serve_with as serve_with
    from goim_edu.lab.link import Link as Link
    from goim_edu.lab.live import LiveServer as LiveServer
    from goim_edu.lab.outcome import said as said
    from goim_edu.lab.proxy import NaiveProxy as NaiveProxy
    from goim_edu.lab.proxy import Site as Site
    from goim_edu.lab.ways import News as News

__all__ = ["Link", "LiveServer", "said", "serve_with", "take_cases"]

# Late, since the store imports goim_edu.lab.mongo, and the live server imports the store.
_HOMES = {
    "Link": "goim_edu.lab.link",
    "LiveServer": "goim_edu.lab.live",
    "NaiveProxy": "goim_edu.lab.proxy",
    "News": "goim_edu.lab.ways",
    "Site": "goim_edu.lab.proxy",
    "said": "goim_edu.lab.outcome",
    "serve_with": "goim_edu.lab.learners",
    "take_cases": "goim_edu.lab.cases",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
