"""The list of extensions: what its grammar takes, what it refuses, and back again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim_edu.errors import HandshakeError
from goim_edu.websocket.extensions import ExtensionOffer, format_extensions, parse_extensions


@pytest.mark.parametrize(
    ("value", "offers"),
    [
        ("foo", [("foo", ())]),
        ("foo,", [("foo", ())]),
        (" , foo ; a ,\t,bar", [("foo", (("a", None),)), ("bar", ())]),
        ("foo; bar; baz=2", [("foo", (("bar", None), ("baz", "2")))]),
        ('foo; a="b"', [("foo", (("a", "b"),))]),
        (r'foo; a="\b\c"', [("foo", (("a", "bc"),))]),
        ("foo; a = b", [("foo", (("a", "b"),))]),
        ("foo; a; a", [("foo", (("a", None), ("a", None)))]),
        (
            "permessage-deflate; client_max_window_bits; server_max_window_bits=10, x-foo",
            [
                (
                    "permessage-deflate",
                    (("client_max_window_bits", None), ("server_max_window_bits", "10")),
                ),
                ("x-foo", ()),
            ],
        ),
        ("a" * 300, [("a" * 300, ())]),  # longer than what is remembered
    ],
)
def test_extension_grammar(
    value: str, offers: list[tuple[str, tuple[tuple[str, str | None], ...]]]
) -> None:
    assert parse_extensions(value) == tuple(ExtensionOffer(*offer) for offer in offers)


@pytest.mark.parametrize(
    "value",
    [
        "",
        ",",
        ";",
        "=",
        "foo;",
        "foo; ;a",
        "foo; =b",
        "foo; a=",
        "foo; a=,",
        'foo; a=""',
        'foo; a="b c"',
        'foo; a="b',
        'foo; a="b\\',
        'foo; "a"',
        '"foo"',
        "foo bar",
        "foo; a b",
        "foo; a=b c",
        "foo=a",
        "foo; a=b=c",
        "foo@bar",
        "foo; a=é",
    ],
)
def test_not_the_extension_grammar(value: str) -> None:
    with pytest.raises(HandshakeError, match="does not follow the grammar") as caught:
        parse_extensions(value)
    assert (caught.value.status, caught.value.section) == (400, "RFC 6455 §9.1")


TOKENS = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=8)
OFFERS = st.lists(
    st.builds(
        ExtensionOffer,
        TOKENS,
        st.lists(st.tuples(TOKENS, st.none() | TOKENS), max_size=4).map(tuple),
    ),
    min_size=1,
    max_size=4,
)


@given(OFFERS)
def test_extensions_round_trip(offers: list[ExtensionOffer]) -> None:
    assert parse_extensions(format_extensions(offers)) == tuple(offers)
