"""Addresses of WebSockets: what is understood, what is refused, and what is never repeated."""

from __future__ import annotations

from base64 import b64decode

import pytest

from goim_edu.client import connect
from goim_edu.client.terminal import chat_uri
from goim_edu.websocket.uri import parse_uri, without_secrets


@pytest.mark.parametrize(
    ("uri", "host", "header"),
    [
        ("ws://example.com", "example.com", "example.com"),
        ("ws://example.com:8080", "example.com", "example.com:8080"),
        ("ws://example.com.:80/", "example.com.", "example.com."),
        ("WS://under_score.example/", "under_score.example", "under_score.example"),
        ("wss://[::1]:443", "::1", "[::1]"),
        # RFC 6874 §4: which interface it is means something on this machine only.
        ("ws://[fe80::1%25eth0]/", "fe80::1%eth0", "[fe80::1]"),
        ("ws://[fe80::1%25eth0]:8765/", "fe80::1%eth0", "[fe80::1]:8765"),
        ("ws://bücher.example/", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("ws://例え.テスト/", "xn--r8jz45g.xn--zckzah", "xn--r8jz45g.xn--zckzah"),
        ("ws://xn--fuball-cta.example/", "xn--fuball-cta.example", "xn--fuball-cta.example"),
    ],
)
def test_hosts(uri: str, host: str, header: str) -> None:
    found = parse_uri(uri)
    assert (found.host, found.host_header) == (host, header)


@pytest.mark.parametrize(
    "uri",
    [
        "ws://fußball.example/",  # Python's rules of 2003 would make another host of it
        "ws://a..example/",
        "ws://" + "a" * 64 + ".example/",
        "ws://" + "ü" * 64 + ".example/",
        "ws://.example/",
        "ws://ex%61mple.com/",
        "ws://a b/",
        "ws://a\u3002\u3002b/",
        "ws://\ud83d/",
        "ws://[fe80::1%eth0]/",  # RFC 6874 §2: the percent sign is written %25
        "ws://[fe80::1%25]/",
    ],
)
def test_hosts_that_are_refused_in_words(uri: str) -> None:
    with pytest.raises(ValueError, match=r"is not (a host name|an address)") as refused:
        parse_uri(uri)
    assert type(refused.value) is ValueError  # UnicodeError is one, too, and says nothing


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("ws://example.com/#top", "fragment"),
        ("ws://example.com/a b", "space"),
        ("ws://example.com/a\r\nb", "control character"),
        ("ws://example.com/\u00e9", "percent-encoded"),
        ("ws://example.com:0/", "port"),
        ("ws://example.com:65536/", "port"),
        ("ws://example.com:x/", "port"),
        ("ws://example.com:/", "port"),
        ("http://example.com/", "perhaps ws"),
        ("https://example.com/", "perhaps wss"),
        ("ftp://example.com/", "scheme is ftp"),
        ("example.com", "begin with ws://"),
        ("", "begin with ws://"),
        ("ws://", "no host"),
        ("ws://:80/", "no host"),
        ("ws://::1/", "IPv6"),
        ("ws://a@b@example.com/", "%40"),
        ("ws://@example.com/", "empty"),
        ("ws://a:%zz@example.com/", "%40"),
        ("ws://a:%ff@example.com/", "UTF-8"),
        ("ws://a%3Ab:c@example.com/", "RFC 7617"),
        ("ws://a:b%0D%0A@example.com/", "RFC 7617"),
    ],
)
def test_what_is_wrong_is_said(uri: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_uri(uri)


@pytest.mark.parametrize("uri", [b"ws://example.com", None, 5])
def test_an_address_is_text(uri: object) -> None:
    with pytest.raises(TypeError, match="the address is a str, not"):
        parse_uri(uri)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("info", "user", "password"),
    [
        ("lisa:hunter2", "lisa", "hunter2"),
        ("hunter2", "hunter2", ""),
        (":hunter2", "", "hunter2"),
        ("l%C3%AD%20sa:h%3Aunter%2F2%40%23%3F", "l\u00ed sa", "h:unter/2@#?"),
        ("lisa:a:b", "lisa", "a:b"),
    ],
)
def test_a_user_and_a_password(info: str, user: str, password: str) -> None:
    found = parse_uri(f"ws://{info}@example.com:81/")
    assert found.credentials == (user, password)
    assert (found.host, found.port) == ("example.com", 81)
    assert user not in repr(found) or not user
    assert "hunter2" not in f"{found!r} {found} {found.host_header}"
    kind, _, code = found.credentials.basic.partition(" ") if found.credentials else ("", "", "")
    assert (kind, b64decode(code).decode()) == ("Basic", f"{user}:{password}")


SECRETS = [
    "ws://lisa:hunter2@example.com/#top",
    "ws://lisa:hunter2%@example.com/",
    "wss://a:hunter2@b:hunter2@[::1]:80/",
    "ws://lisa:hunter2@",
    "ws://lisa:/hunter2@example.com/",
    "ws://lisa:?hunter2@example.com/",
    "ws://lisa:#hunter2@example.com/",
    "ws://lisa:hunter2@\u2100example.com/",
    "http://lisa:hunter2@example.com/",
    "ws://exa mple.com/?token=hunter2",
    "ws://lisa:hunter2@exa mple.com/?token=hunter2#hunter2",
    "ws://example.com/?token=hunter2#",
]


@pytest.mark.parametrize("uri", SECRETS)
@pytest.mark.parametrize("entry", [parse_uri, connect, chat_uri])
def test_a_password_in_a_wrong_address_is_never_repeated(entry: object, uri: str) -> None:
    with pytest.raises(ValueError, match="not") as refused:
        entry(uri)  # type: ignore[operator]
    assert "hunter2" not in str(refused.value)


def test_an_address_is_shown_without_secrets() -> None:
    assert without_secrets("wss://example.com/chat") == "wss://example.com/chat"
    assert without_secrets("ws://a:b@c/d?e") == "ws://***@c/d?***"
    assert without_secrets("ws://a:b/c?d#e@f") == "ws://***@f"
