"""Options made of dataclasses: the defaults, the units and the words stand in one place."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pytest

from goim_edu.chat.limits import ChatLimits
from goim_edu.cli import serve
from goim_edu.cli.options import options_of
from goim_edu.serving.config import ServerConfig


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    serve.add(top.add_subparsers())
    return top


def config(*options: str) -> ServerConfig:
    return serve._config(parser().parse_args(["serve", *options]), argparse.ArgumentParser())


def test_without_options_the_server_has_the_defaults_of_its_dataclass() -> None:
    assert config() == ServerConfig()


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        (("--host", "::1", "--port", "0"), {"host": "::1", "port": 0}),
        (("--no-compression",), {"compression": False}),
        (("--heartbeat-interval", "0"), {"heartbeat_interval": 0.0}),
        (("--heartbeat-timeout", "7.5"), {"heartbeat_timeout": 7.5}),
        (
            ("--rate", "9", "--burst", "3", "--max-text", "5"),
            {"rate": 9, "burst": 3, "max_text": 5},
        ),
        (("--max-rooms", "1", "--max-members", "2"), {"max_rooms": 1, "max_members": 2}),
        (("--hello-timeout", "0.5"), {"hello_timeout": 0.5}),
        (("--allow-origin", "*", "--allow-origin", "loopback"), {"origins": ("*", "loopback")}),
        (("--auth", "jwt", "--jwt-secret", "x"), {"auth": "jwt", "jwt_secret": Path("x")}),
        (
            ("--jwt-leeway", "0", "--jwt-audience", "a", "--jwt-audience", "b"),
            {"jwt_leeway": 0.0, "jwt_audience": ("a", "b")},
        ),
        (("--insecure",), {"insecure": True}),
    ],
)
def test_an_option_sets_its_field(options: tuple[str, ...], settings: dict[str, Any]) -> None:
    assert config(*options) == ServerConfig.of(**settings)


def test_each_setting_but_one_has_an_option_with_words_about_it() -> None:
    options = {option.name: option for option in options_of(ServerConfig, ChatLimits)}
    names = {one.name for cls in (ServerConfig, ChatLimits) for one in fields(cls)}
    assert names - options.keys() == {"limits", "missed"}
    assert [name for name, option in options.items() if len(option.details["help"]) < 10] == []
    assert options["max_message_size"].details["metavar"] == "BYTES"
    assert options["heartbeat_timeout"].details["metavar"] == "S"
    assert options["rate"].details["metavar"] == "PER_SECOND"
    assert options["max_text"].details["metavar"] == "CHARACTERS"


def test_words_over_several_lines_become_one() -> None:
    @dataclass
    class Taste:
        """What it is like.

        Args:
            kind: ``sweet`` or
                100 % ``sour``.
            file: what to read.
        """

        kind: Literal["sweet", "sour"] = "sweet"
        file: Path | None = None

    kind, file = options_of(Taste)
    assert kind.details["help"] == "sweet or 100 %% sour"
    assert kind.details["choices"] == ("sweet", "sour")
    assert file.details["type"] is Path
