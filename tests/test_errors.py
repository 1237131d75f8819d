"""The errors: the package names the section of every rule, and settings are not the protocol's."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from goim_edu.errors import HandshakeError, LocalProtocolError, RemoteProtocolError
from goim_edu.protocol import DeflateConfig, Limits
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
    assert str(HandshakeError("no")) == "no (RFC 6455 §4.2.2)"  # a server may refuse


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
