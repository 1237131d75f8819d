"""docs/chat-protocol.md says what the code speaks: messages, fields, codes and limits."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import get_args

import msgspec
import pytest
from msgspec import inspect

from goim_edu.chat import session, vocabulary
from goim_edu.chat.limits import ChatLimits
from goim_edu.chat.vocabulary import JSON, SUBPROTOCOLS, VocabularyError
from goim_edu.cli import main
from goim_edu.server import ServerConfig

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "goim_edu"
DOCUMENT = (ROOT / "docs" / "chat-protocol.md").read_text("utf-8")
SEQ_MAX = 2**63 - 1
NEVER_SENT = {1000, 1005, 1006, 1015}  # the usual end, and what only stands in reports


def section(title: str) -> str:
    """What stands below a heading of the second level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", DOCUMENT, re.DOTALL | re.M)
    assert found, title
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = [number for number, row in enumerate(cells) if set("".join(row)) <= set("-:")]
    heads = {number - 1 for number in rules} | set(rules)
    return [row for number, row in enumerate(cells) if number not in heads]


def documented(title: str) -> dict[str, dict[str, str]]:
    """Of each message in a section its fields, and what the page calls their types."""
    parts = re.split(r"^### `(\w+)`\n", section(title), flags=re.M)[1:]
    return {
        name: {row[0].strip("`"): row[1].replace("`", "") for row in rows(text)}
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def spoken(union: UnionType) -> dict[str, dict[str, str]]:
    """The same, made from the code."""
    found = {}
    for kind in get_args(union):
        info = inspect.type_info(kind)
        assert isinstance(info, inspect.StructType)
        found[str(info.tag)] = dict(fields_of(info))
    return found


def fields_of(info: inspect.StructType) -> Iterator[tuple[str, str]]:
    for field in info.fields:
        if isinstance(field.type, inspect.StructType):
            for name, words in fields_of(field.type):
                yield f"{field.name}.{name}", words
            continue
        words = in_words(field.type)
        if isinstance(field.type, inspect.UnionType):
            words += ", optional"
        elif field.default is not msgspec.NODEFAULT:
            words += f", default {field.default}"
        yield field.name, words


PLAIN = {inspect.FloatType: "number", inspect.BoolType: "boolean", inspect.DateTimeType: "time"}


def in_words(kind: inspect.Type) -> str:
    match kind:
        case inspect.UnionType(types=(one, inspect.NoneType())):
            return in_words(one)
        case inspect.StrType():
            return "string" + characters(kind.min_length, kind.max_length)
        case inspect.IntType():
            return "integer" + bounds(kind.ge, kind.le)
        case inspect.ListType(item_type=inspect.StructType() as item):
            return f"list of {item.tag}"
        case inspect.ListType():
            return f"list of {in_words(kind.item_type)}"
        case inspect.LiteralType():
            of_errors = set(kind.values) == set(vocabulary.ERROR_CODES)
            return "error code" if of_errors else " or ".join(map(str, kind.values))
        case _:
            return PLAIN[type(kind)]


def characters(least: int | None, most: int | None) -> str:
    if most is None:
        return ""
    return f", at most {most} characters" if least is None else f", {least} to {most} characters"


def bounds(least: float | None, most: float | None) -> str:
    return "" if most is None else f", {least} to {'2^63-1' if most == SEQ_MAX else most}"


def test_requests_and_their_fields() -> None:
    assert documented("What a client sends") == spoken(vocabulary.Request)


def test_replies_and_their_fields() -> None:
    assert documented("What the server sends") == spoken(vocabulary.Reply)


def test_subprotocols() -> None:
    names = [row[0].strip("`") for row in rows(section("How messages are written"))]
    assert names == list(SUBPROTOCOLS)


def test_error_codes() -> None:
    codes = [row[0].strip("`") for row in rows(section("Error codes"))]
    assert codes == list(vocabulary.ERROR_CODES)


def numbers(path: Path) -> Iterator[int]:
    """The close codes in the code of a module: whole numbers from 1000 to 1015."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and type(node.value) is int:
            yield node.value


def broken_rules(path: Path) -> Iterator[int]:
    """The codes with which a module says that the peer broke a rule."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "close_code":
            value = node.value
            if isinstance(value, ast.Constant) and isinstance(value.value, int):
                yield value.value


def test_close_codes() -> None:
    public = {name: value for name, value in vars(session).items() if not name.startswith("_")}
    own = {value for name, value in public.items() if name.isupper() and type(value) is int}
    ends = [*(PACKAGE / "chat").glob("*.py"), *(PACKAGE / "transport").glob("*.py")]
    sent = {code for path in [*ends, PACKAGE / "server.py"] for code in numbers(path)}
    rules = [*(PACKAGE / "websocket").glob("*.py"), PACKAGE / "errors.py"]
    broken = {code for path in rules for code in broken_rules(path)}
    expected = own | broken | {code for code in sent if 1000 <= code <= 1015}
    assert [int(row[0]) for row in rows(section("Close codes"))] == sorted(expected - NEVER_SENT)


def test_limits_and_their_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    holders = {"ChatLimits": ChatLimits(), "ServerConfig": ServerConfig()}
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    named = set()
    for name, default, option, _ in rows(section("Limits")):
        holder, attribute = name.strip("`").split(".")
        assert float(default) == getattr(holders[holder], attribute), name
        assert not option or option.strip("`") in options, option
        named.add((holder, attribute))
    assert {name for holder, name in named if holder == "ChatLimits"} == {
        field.name for field in fields(ChatLimits)
    }


def test_the_example_is_spoken() -> None:
    lines = re.findall(r"^([<>]) (\{.*\})$", section("An example"), re.M)
    assert len(lines) > 5
    refused = ""
    for side, line in lines:
        if side == ">":
            try:
                JSON.decode(line)
            except VocabularyError as error:
                refused = str(error)
        else:
            reply = JSON.decode_reply(line)
            assert JSON.decode_reply(JSON.encode(reply)) == reply
            if refused:
                assert isinstance(reply, vocabulary.Error)
                assert reply.reason == refused
                refused = ""
    assert not refused, "the page does not say how this was answered"
