"""A live server, a real MongoDB and a link that fails on demand, for lessons and tests."""

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
