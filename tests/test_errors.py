"""The errors: the package names the section of every rule, and settings are not the protocol's."""

from __future__ import annotations

import ast
import importlib
import inspect
import multiprocessing
import pickle
import pkgutil
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import goim_edu
from goim_edu.client import ChatClient, connect
from goim_edu.errors import (
    GoimError,
    HandshakeError,
    IncompleteFrame,
    LocalProtocolError,
    RemoteProtocolError,
    StoreError,
    StoreUnavailable,
)
from goim_edu.protocol import DeflateConfig, Endpoint, Limits, parse_frame
from goim_edu.serving.config import ServerConfig
from goim_edu.store import open_store
from goim_edu.transport.states import ConnectionState, ConnectionStep
from goim_edu.websocket import close
from goim_edu.websocket.heartbeat import Heartbeat
from goim_edu.websocket.uri import parse_uri

PACKAGE = Path(__file__).resolve().parent.parent / "goim_edu"
OF_THE_PEER = {"RemoteProtocolError", "HandshakeError", "IncompleteFrame"}


def raised_errors() -> Iterator[tuple[str, ast.Call]]:
    """Each place that makes an error of the peer; exercises are the learners' code."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.is_relative_to(PACKAGE / "exercises"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in OF_THE_PEER:
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node


def test_every_place_names_the_section() -> None:
    places = dict(raised_errors())
    assert len(places) > 50
    for place, call in places.items():
        assert "section" in {keyword.arg for keyword in call.keywords}, place


def test_every_section_that_is_written_out_is_one() -> None:
    sections = {
        keyword.value.value
        for _, call in raised_errors()
        for keyword in call.keywords
        if keyword.arg == "section" and isinstance(keyword.value, ast.Constant)
    }
    assert len(sections) > 10
    for section in sections:
        assert re.fullmatch(r"RFC \d{4} §\d+(\.\d+)*", str(section)), section


def test_code_that_names_no_section_claims_no_more_than_is_true() -> None:
    assert str(RemoteProtocolError("bad")) == "bad (RFC 6455 §7.1.7)"  # "Fail the Connection"
    assert str(HandshakeError("no")) == "no"  # a server may refuse by rules of its own


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Limits(max_frame_size=1),
        lambda: DeflateConfig(level=10),
        lambda: Heartbeat(0, 1),
        lambda: parse_uri("http://example.com"),
    ],
)
def test_a_wrong_setting_is_a_value_error(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError) as raised:
        wrong()
    assert not isinstance(raised.value, LocalProtocolError)


def error_classes() -> list[type[Any]]:
    """Every class of exceptions that has a public name anywhere in the package."""
    found: set[type[Any]] = set()
    for module in pkgutil.walk_packages(goim_edu.__path__, "goim_edu."):
        if module.name.rpartition(".")[2] != "__main__":
            own = vars(importlib.import_module(module.name))
            found |= {one for one in own.values() if isinstance(one, type)}
    return sorted(
        (
            kind
            for kind in found
            if issubclass(kind, BaseException)
            and kind.__module__.startswith("goim_edu.")
            and not kind.__name__.startswith("_")  # nothing that leaves its module
        ),
        key=lambda kind: kind.__name__,
    )


def made(kind: type[Any]) -> GoimError:
    """One of this class, with all that it may carry."""
    samples: dict[str, object] = {
        "str": "it is so",
        "int": 1009,
        "bool": True,
        "bytes": b"no",
        "Sequence[tuple[str, str]]": [("Retry-After", "5")],
        "RemoteProtocolError": RemoteProtocolError("bad"),
        "Close": close.Close(1001, "lunch") if hasattr(close, "Close") else None,
        "ErrorCode": "forbidden",
        "ConnectionState": ConnectionState.CLOSED,
        "ConnectionStep": ConnectionStep.SAY_CLOSE,
    }
    values: list[object] = []
    named: dict[str, object] = {}
    for parameter in inspect.signature(kind).parameters.values():
        value = samples[str(parameter.annotation).partition(" | ")[0]]
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[parameter.name] = value
        else:
            values.append(value)
    error: GoimError = kind(*values, **named)
    return error


def test_every_error_is_a_goim_error() -> None:
    assert len(error_classes()) > 20
    assert [kind for kind in error_classes() if not issubclass(kind, GoimError)] == []


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_an_error_that_was_pickled_is_the_same(kind: type[Any]) -> None:
    error = made(kind)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.args) == (str(error), error.args)
    assert vars(again) == vars(error)
    assert again == error
    assert hash(again) == hash(error)


def test_errors_that_differ_are_not_equal() -> None:
    assert IncompleteFrame("cut", missing=1) != IncompleteFrame("cut", missing=2)
    assert StoreError("x") != StoreUnavailable("x")
    assert StoreError("x") != "x"


def test_an_error_comes_back_from_another_process() -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        with pytest.raises(IncompleteFrame) as cut:
            pool.submit(parse_frame, b"\x81").result(60)
        assert cut.value.missing == 1
        frame, _ = pool.submit(parse_frame, b"\x81\x00", masked=False).result(60)
        assert frame.payload == b""


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (lambda: connect("ws://127.0.0.1:1/", subprotocols="chat"), "subprotocols"),
        (lambda: ChatClient("ws://127.0.0.1:1/chat", "lisa", "lobby"), "rooms"),
    ],
)
def test_a_str_is_not_a_sequence_of_names(wrong: Callable[[], object], what: str) -> None:
    with pytest.raises(TypeError, match=f"{what} is a sequence of names, not the str"):
        wrong()


@pytest.mark.parametrize("name", ["origins", "hosts", "trusted_proxies", "jwt_audience"])
def test_a_str_is_not_a_sequence_of_settings(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is a sequence, not the str"):
        ServerConfig.of(**{name: "https://a.example"})


@pytest.mark.parametrize("side", ["server", "neither", None, 1])
def test_a_side_that_is_not_one_is_not_taken_for_a_client(side: Any) -> None:
    with pytest.raises(ValueError, match=r"Side\.SERVER or Side\.CLIENT"):
        Endpoint(side)


@pytest.mark.parametrize("spec", ["", None, 5])
def test_a_store_must_be_named(spec: object) -> None:
    with pytest.raises(ValueError, match="name a store by auto, memory"):
        open_store(spec)  # type: ignore[arg-type]


def test_history_is_not_given_a_number_without_its_name() -> None:
    """It could be taken for the number of messages."""
    with open_store("memory") as store, pytest.raises(TypeError, match="positional"):
        store.history("lobby", 20)  # type: ignore[call-arg]


def test_what_a_program_may_meet_is_on_one_page() -> None:
    """All errors of the faces come from ``goim_edu.errors``; one has to know what a Close is."""
    faces = ("protocol", "client", "client.sync", "server", "store", "lab", "capture")
    met = {
        kind.__name__
        for face in faces
        for name in importlib.import_module(f"goim_edu.{face}").__all__
        for kind in [getattr(importlib.import_module(f"goim_edu.{face}"), name)]
        if isinstance(kind, type) and issubclass(kind, GoimError)
    }
    page = set(importlib.import_module("goim_edu.errors").__all__)
    assert met - page == {"ConnectionClosed"}
