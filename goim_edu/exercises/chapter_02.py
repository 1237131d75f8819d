"""Exercises of chapter 02: the opening handshake (RFC 6455 §1.3, §4)."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

from goim_edu.exercises.model import (
    Case,
    Exercise,
    Function,
    Measure,
    Option,
    Predict,
    Wrong,
    code,
)
from goim_edu.exercises.samples import Choices
from goim_edu.protocol import Endpoint, Side
from goim_edu.websocket.handshake import generate_accept

__all__ = ["EXERCISES"]

_KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
_ACCEPT: Final = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def _key(c: Choices) -> str:
    return base64.b64encode(bytes(c.integer(0, 255) for _ in range(16))).decode()


# ---------------------------------------------------------------------- 02.1

_ACCEPT_LENGTH = Predict(
    id="02.1",
    title="How long is an accept value?",
    statement="""A server answers the key with the Base64 of a SHA-1. How many characters does
        `Sec-WebSocket-Accept` have?""",
    answer=28,
    wrong={
        20: "A SHA-1 has 20 bytes. Base64 writes every 3 bytes as 4 characters.",
        40: "40 characters would be the SHA-1 in hex. Here its 20 raw bytes are written as Base64.",
        24: "24 characters is the length of the key: Base64 of 16 bytes. A SHA-1 has more.",
        27: """27 characters carry the 20 bytes, but Base64 is filled up with `=` to a multiple
            of 4.""",
        36: "36 characters is the length of the GUID.",
        60: "60 characters is what is hashed: the key and the GUID. Its hash is always as long.",
    },
    otherwise="""A SHA-1 has 20 bytes, and Base64 makes 4 characters of each 3 bytes, the last
        filled up.""",
    experiment=code("""
        from goim_edu.protocol import generate_accept
        len(generate_accept("dGhlIHNhbXBsZSBub25jZQ=="))
    """),
    hints=(
        "SHA-1 always gives 20 bytes, whatever it hashes.",
        """Base64 takes 3 bytes at a time and writes 4 characters. 20 bytes are 7 such groups,
            the last not full.""",
    ),
)

# ---------------------------------------------------------------------- 02.2


def accept_for(key: str) -> str:
    """The Sec-WebSocket-Accept for a key (RFC 6455 §4.2.2 item 5.4)."""
    guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    digest = hashlib.sha1((key + guid).encode()).digest()  # noqa: S324 (the RFC asks for it)
    return base64.b64encode(digest).decode()


_GENERATE_ACCEPT = Function(
    id="02.2",
    title="Compute the accept value",
    statement="""Write `generate_accept(key)`: hash the key, as it was sent, and the GUID
        `258EAFA5-E914-47DA-95CA-C5AB0DC85B11` behind it with SHA-1, and write the digest as
        Base64.""",
    needs="""
        import base64
        import hashlib
    """,
    starter="""
        def generate_accept(key):
            guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            return ...
    """,
    reference=accept_for,
    called="generate_accept",
    package=generate_accept,
    cases=(
        Case(
            (_KEY,),
            "the key of the RFC (§1.3)",
            """The text that is hashed is the key exactly as it was sent, then the GUID in
                capital letters. The 20 raw bytes of the digest (`.digest()`) are written as
                Base64, and that is text (`str`), all 28 characters of it.""",
        ),
        Case(
            ("AAAAAAAAAAAAAAAAAAAAAA==",),
            "sixteen zero bytes as a key",
            "The key is hashed as it was sent, in Base64: it is not decoded first.",
        ),
    ),
    make=lambda c: (_key(c),),
    hints=(
        "`hashlib.sha1(text.encode()).digest()` gives the 20 bytes of the hash.",
        "What is hashed is `key + guid`, both as text.",
        "`base64.b64encode(digest).decode()` makes text of the bytes.",
    ),
    wrong=(
        Wrong(
            "raw bytes of the digest",
            ".digest()",
            ".hexdigest().encode()",
            tip="the 40 hex characters of the digest are encoded, not its 20 bytes.",
        ),
        Wrong(
            "then the GUID",
            "key + guid",
            "guid + key",
            tip="the GUID comes first; it belongs behind the key.",
        ),
        Wrong(
            "exactly as it was sent",
            "(key + guid).encode()",
            "base64.b64decode(key) + guid.encode()",
            tip="the key is decoded first. It is hashed as it was sent.",
        ),
        Wrong(
            "a `str` is wanted",
            "base64.b64encode(digest).decode()",
            "base64.b64encode(digest)",
            tip="these are bytes; a header is text.",
        ),
        Wrong(
            "all 28 characters",
            "base64.b64encode(digest).decode()",
            'base64.b64encode(digest).decode().rstrip("=")',
            tip="the `=` at the end belongs to it.",
        ),
        Wrong(
            "capital letters",
            "key + guid",
            "key + guid.lower()",
            tip="the GUID is hashed in small letters.",
        ),
    ),
    after="The package's own also refuses keys that are no Base64 of 16 bytes (§4.2.1 item 5).",
)

# ---------------------------------------------------------------------- 02.3


def client_accepts(status: int, headers: dict[str, str], key: str) -> bool:
    """Whether a client may go on after this answer (RFC 6455 §4.1)."""
    connection = headers.get("connection", "").lower().split(",")
    return (
        status == 101
        and headers.get("upgrade", "").lower() == "websocket"
        and "upgrade" in [token.strip() for token in connection]
        and headers.get("sec-websocket-accept") == generate_accept(key)
    )


_GOOD: Final = {
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-accept": _ACCEPT,
}


def _answer(c: Choices) -> tuple[int, dict[str, str], str]:
    headers = {
        "upgrade": c.pick(("websocket", "WebSocket", "h2c", "")),
        "connection": c.pick(("Upgrade", "upgrade", "keep-alive, Upgrade", "keep-alive", "")),
        "sec-websocket-accept": c.pick((_ACCEPT, _ACCEPT.lower(), "")),
    }
    return c.pick((101, 200, 400)), {name: text for name, text in headers.items() if text}, _KEY


_CLIENT_ACCEPTS = Function(
    id="02.3",
    title="What a client must check",
    statement="""The notes' client compares `Sec-WebSocket-Accept` only. The RFC wants more
        (§4.1). Write `client_accepts(status, headers, key)`: `True` if the status is 101,
        `Upgrade` says websocket, `Connection` lists upgrade, and the accept value answers the
        key; else `False`. `headers` is a dictionary, its names in small letters; a header may
        be missing.""",
    needs="from goim_edu.protocol import generate_accept",
    starter="""
        def client_accepts(status, headers, key):
            return headers["sec-websocket-accept"] == generate_accept(key)
    """,
    kind="mend",
    reference=client_accepts,
    cases=(
        Case((101, _GOOD, _KEY), "the answer of the RFC (§1.3)", "This one is good."),
        Case(
            (200, _GOOD, _KEY),
            "status 200",
            "Only 101 means that the protocol is switched; 200 is an ordinary HTTP answer.",
        ),
        Case(
            (101, {**_GOOD, "sec-websocket-accept": "AAAA"}, _KEY),
            "another accept value",
            "Then the server has not read our key.",
        ),
        Case(
            (101, {**_GOOD, "upgrade": "WebSocket", "connection": "upgrade"}, _KEY),
            "`Upgrade: WebSocket` and `Connection: upgrade`",
            "These two are compared without regard to capital letters.",
        ),
        Case(
            (101, {**_GOOD, "connection": "keep-alive, Upgrade"}, _KEY),
            "`Connection: keep-alive, Upgrade`",
            "Connection is a list, separated by commas: upgrade must be among its words.",
        ),
        Case(
            (101, {**_GOOD, "connection": "no-upgrade"}, _KEY),
            "`Connection: no-upgrade`",
            "Connection is a list of words, and none of these words is upgrade.",
        ),
        Case(
            (101, {name: _GOOD[name] for name in ("connection", "sec-websocket-accept")}, _KEY),
            "no `Upgrade` at all",
            "Each of the three headers must be there.",
        ),
        Case(
            (101, {name: _GOOD[name] for name in ("upgrade", "connection")}, _KEY),
            "no accept value at all",
            "A header may be missing: `headers.get(name)` gives `None` then, and raises nothing.",
        ),
        Case(
            (101, {**_GOOD, "sec-websocket-accept": _ACCEPT.lower()}, _KEY),
            "the accept value in small letters",
            "In Base64 `a` and `A` are different, so this value is wrong.",
        ),
    ),
    make=_answer,
    hints=(
        "Four conditions, joined by `and`.",
        "`headers.get('upgrade', '').lower()` works with missing headers and capital letters.",
        "`headers.get('connection', '').lower().split(',')` are the words; strip each of them.",
    ),
    wrong=(
        Wrong("status 200", "status == 101", "True", tip="the status is not looked at."),
        Wrong(
            "capital letters",
            'headers.get("upgrade", "").lower() == "websocket"',
            'headers.get("upgrade", "") == "websocket"',
            tip="`WebSocket` with capital letters is refused.",
        ),
        Wrong(
            "separated by commas",
            '"upgrade" in [token.strip() for token in connection]',
            'headers.get("connection", "").lower() == "upgrade"',
            tip="`Connection` may say more than one word.",
        ),
        Wrong(
            "none of these words is upgrade",
            '"upgrade" in [token.strip() for token in connection]',
            '"upgrade" in headers.get("connection", "").lower()',
            tip="any `Connection` that contains the letters u-p-g-r-a-d-e is taken.",
        ),
        Wrong(
            "KeyError",
            'headers.get("sec-websocket-accept")',
            'headers["sec-websocket-accept"]',
            tip="a missing header is not reckoned with.",
        ),
    ),
    after="""`goim_edu.websocket.handshake.check_response` also refuses what was never offered: a
        subprotocol, an extension.""",
)

# ---------------------------------------------------------------------- 02.4


def answer_status(method: str, version: str, headers: dict[str, str]) -> int:
    """The HTTP status that a server answers an opening handshake with (RFC 6455 §4.2)."""

    def words(name: str) -> list[str]:
        return [word.strip() for word in headers.get(name, "").lower().split(",")]

    if method != "GET":
        return 405
    if version < "HTTP/1.1" or "host" not in headers:
        return 400
    if "websocket" not in words("upgrade"):
        return 426
    if "upgrade" not in words("connection"):
        return 400
    if headers.get("sec-websocket-version", "") != "13":
        return 426 if "sec-websocket-version" in headers else 400
    try:
        key = base64.b64decode(headers.get("sec-websocket-key", ""), validate=True)
    except ValueError:
        return 400
    return 101 if len(key) == 16 else 400


_ASK: Final = {
    "host": "localhost:8765",
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-key": _KEY,
    "sec-websocket-version": "13",
}


def _without(name: str) -> dict[str, str]:
    return {other: value for other, value in _ASK.items() if other != name}


def _request(c: Choices) -> tuple[str, str, dict[str, str]]:
    """A good request, or one with a single fault."""
    fault = c.pick(("", *_ASK, "method", "version", "bad key", "other version"))
    headers = _without(fault)
    if fault == "bad key":
        size = c.pick((15, 17, 0, 24))
        headers["sec-websocket-key"] = base64.b64encode(bytes(size)).decode()
    if fault == "other version":
        headers["sec-websocket-version"] = c.pick(("8", "12", "14", "130"))
    method = c.pick(("POST", "PUT", "HEAD")) if fault == "method" else "GET"
    return method, "HTTP/1.0" if fault == "version" else "HTTP/1.1", headers


_ANSWER_STATUS = Function(
    id="02.4",
    title="What a server must check",
    kind="mend",
    statement="""This server answers every request that has a key with 101. Mend
        `answer_status(method, version, headers)`. Give back 405 if the method is not GET; 400
        if the HTTP version is below 1.1, or `Host` is missing, or `Connection` does not list
        upgrade, or `Sec-WebSocket-Version` is missing, or the key is missing or no Base64 of 16
        bytes; 426 if `Upgrade` does not list websocket, or the WebSocket version is another
        than 13; else 101. `headers` is a dictionary, its names in small letters. One fault at a
        time is tried.""",
    needs="import base64",
    starter="""
        def answer_status(method, version, headers):
            if "sec-websocket-key" in headers:
                return 101
            return 400
    """,
    reference=answer_status,
    cases=(
        Case(("GET", "HTTP/1.1", _ASK), "a good request", "All is right: 101."),
        Case(
            ("POST", "HTTP/1.1", _ASK),
            "method POST",
            "Only GET can open a WebSocket (RFC 6455 §4.1): 405, method not allowed.",
        ),
        Case(("GET", "HTTP/1.0", _ASK), "HTTP/1.0", "HTTP/1.1 or higher is needed: 400."),
        Case(
            ("GET", "HTTP/1.1", _without("host")),
            "no `Host`",
            "`Host` is required (RFC 6455 §4.2.1): 400.",
        ),
        Case(
            ("GET", "HTTP/1.1", _without("upgrade")),
            "no `Upgrade`",
            "This is plain HTTP: 426, upgrade required.",
        ),
        Case(
            ("GET", "HTTP/1.1", {**_ASK, "connection": "keep-alive, Upgrade"}),
            "`Connection: keep-alive, Upgrade`, as Firefox sends it",
            "Connection is a list: upgrade must be among its words. This request is good.",
        ),
        Case(
            ("GET", "HTTP/1.1", {**_ASK, "connection": "keep-alive"}),
            "`Connection: keep-alive`",
            "Upgrade is missing in the list: 400.",
        ),
        Case(
            ("GET", "HTTP/1.1", {**_ASK, "sec-websocket-version": "8"}),
            "WebSocket version 8",
            """Another version than 13: 426, and the answer names 13, so that the client can
                try again (RFC 6455 §4.4).""",
        ),
        Case(
            ("GET", "HTTP/1.1", _without("sec-websocket-version")),
            "no WebSocket version",
            "It is required (RFC 6455 §4.2.1): 400.",
        ),
        Case(
            ("GET", "HTTP/1.1", _without("sec-websocket-key")),
            "no key",
            "It is required (RFC 6455 §4.2.1): 400.",
        ),
        Case(
            ("GET", "HTTP/1.1", {**_ASK, "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAAAA"}),
            "a key of 24 characters that are 18 bytes",
            "The key must decode to 16 bytes (RFC 6455 §4.2.1): 400. Count bytes, not characters.",
        ),
        Case(
            ("GET", "HTTP/1.1", {**_ASK, "sec-websocket-key": "not Base64 at all!"}),
            "a key that is no Base64",
            "`base64.b64decode(key, validate=True)` raises `ValueError` for it: 400.",
        ),
    ),
    make=_request,
    hints=(
        "One `if` for each rule, in the order of the statement, each with its `return`.",
        """A helper that gives the words of a header: `headers.get(name,
            "").lower().split(",")`, each stripped.""",
        """`base64.b64decode(key, validate=True)` inside of `try`, and `except ValueError:
            return 400`.""",
    ),
    wrong=(
        Wrong("Only GET", 'if method != "GET":', 'if method == "PUT":', tip="POST is let through."),
        Wrong(
            "HTTP/1.1 or higher",
            'version < "HTTP/1.1" or ',
            "",
            tip="the HTTP version is not looked at.",
        ),
        Wrong(
            "upgrade must be among its words",
            'if "upgrade" not in words("connection"):',
            'if headers.get("connection", "") != "Upgrade":',
            tip="`Connection` is taken for a single word.",
        ),
        Wrong(
            "names 13",
            'return 426 if "sec-websocket-version" in headers else 400',
            "return 400",
            tip="a client with another version is not told that there is a way: 426.",
        ),
        Wrong(
            "Count bytes",
            "len(key) == 16",
            'len(headers.get("sec-websocket-key", "")) == 24',
            tip="the characters of the key are counted, not the bytes that they stand for.",
        ),
        Wrong(
            "Error",
            "except ValueError:",
            "except KeyError:",
            tip="what `b64decode` raises for a bad key is not caught.",
        ),
    ),
    after="""`goim_edu.websocket.handshake.check_request` does all this, and says for each refusal
        why.""",
)

# ---------------------------------------------------------------------- 02.5


def choose_subprotocol(offer: str | None, supported: list[str]) -> str | None:
    """The client's most wanted subprotocol that we support (RFC 6455 §4.2.2)."""
    for name in (offer or "").split(","):
        if name.strip() in supported:
            return name.strip()
    return None


_NAMES: Final = ("goim.v1.json", "goim.v1.bson", "goim.v2.json", "chat")


def _offer(c: Choices) -> tuple[str | None, list[str]]:
    if c.integer(0, 9) == 9:
        return None, [c.pick(_NAMES)]
    offered = dict.fromkeys(c.some(0, 4, lambda: c.pick(_NAMES)))
    return c.pick((", ", ",", " , ")).join(offered), list(
        dict.fromkeys(c.some(0, 3, lambda: c.pick(_NAMES)))
    )


_SUBPROTOCOL = Function(
    id="02.5",
    title="Choose a subprotocol",
    statement="""`Sec-WebSocket-Protocol: goim.v2.json, goim.v1.json` lists what a client can
        speak, the most wanted first. Write `choose_subprotocol(offer, supported)`: of the
        offered names the first that stands in the list `supported`, or `None` if there is none.
        `offer` is `None` if the client sent no such header.""",
    starter="""
        def choose_subprotocol(offer, supported):
            return ...
    """,
    reference=choose_subprotocol,
    cases=(
        Case(("goim.v1.json", ["goim.v1.json"]), "one offered, one supported", "They agree."),
        Case(
            ("goim.v1.bson, goim.v1.json", ["goim.v1.json", "goim.v1.bson"]),
            "both are supported",
            "The client's order decides: the first that it names (RFC 6455 §4.1 item 10).",
        ),
        Case(
            ("goim.v2.json, goim.v1.json", ["goim.v1.json"]),
            "the first is not supported",
            "Then the next one is tried. Mind the space behind the comma.",
        ),
        Case(
            ("mqtt", ["goim.v1.json"]),
            "nothing in common",
            "The server may not name what was not offered, so it names nothing: `None`.",
        ),
        Case((None, ["goim.v1.json"]), "no such header", "Nothing was offered: `None`."),
        Case(
            ("goim.v1.json.old", ["goim.v1.json"]),
            "a name that only begins like ours",
            "Names are compared as a whole: this is another one.",
        ),
    ),
    make=_offer,
    hints=(
        "`offer.split(',')` gives the names; `strip()` takes the spaces off each.",
        """Go through the client's names in their order, and give back the first one that you
            support.""",
        "`(offer or '')` is an empty text where `offer` is `None`.",
    ),
    wrong=(
        Wrong(
            "client's order decides",
            whole="""
                def choose_subprotocol(offer, supported):
                    offered = [name.strip() for name in (offer or "").split(",")]
                    return next((name for name in supported if name in offered), None)
            """,
            tip="the server's order decides instead of the client's.",
        ),
        Wrong(
            "may not name what was not offered",
            "return None",
            "return supported[0] if supported else None",
            tip="the server falls back to its own favourite. A client must refuse that (§4.1).",
        ),
        Wrong(
            "space behind the comma",
            "if name.strip() in supported:\n            return name.strip()",
            "if name in supported:\n            return name",
            tip="the spaces around the names are still there.",
        ),
        Wrong(
            "AttributeError",
            '(offer or "")',
            "offer",
            tip="a client that sends no such header is not reckoned with.",
        ),
        Wrong(
            "compared as a whole",
            whole="""
                def choose_subprotocol(offer, supported):
                    for name in (offer or "").split(","):
                        for ours in supported:
                            if ours in name:
                                return ours
                    return None
            """,
            tip="a name counts as found if it is only a part of the other.",
        ),
    ),
    after="""`goim_edu.websocket.handshake.select_subprotocol` does it; `/chat` refuses clients
        with no match.""",
)

# ---------------------------------------------------------------------- 02.6

_OLD_VERSION = Predict(
    id="02.6",
    title="A client from the past",
    statement="""A client asks with `Sec-WebSocket-Version: 8`, an old draft. Which status does
        a good server answer with, and which version does it name?""",
    options=(
        Option(
            "(101, '8')",
            "Then it would have to speak version 8 from here on. It speaks 13 only.",
        ),
        Option(
            "(400, '')",
            "A bare 400 would do by the letter. But how would the client know what to try?",
        ),
        Option(
            "(426, '13')",
            "426 says that an upgrade is needed, and the header which version to try.",
            right=True,
        ),
        Option("(505, '13')", "505 is about the version of HTTP, and that one is fine."),
    ),
    experiment=code("""
        from goim_edu.websocket.handshake import build_request, check_request, error_response
        from goim_edu.websocket.http11 import parse_request
        from goim_edu.protocol import HandshakeError

        asked = build_request("localhost", "/chat", "dGhlIHNhbXBsZSBub25jZQ==")
        request, _ = parse_request(asked.replace(b"Version: 13", b"Version: 8"))
        try:
            check_request(request)
        except HandshakeError as error:
            answer = error_response(error)
        answer.status, answer.headers["Sec-WebSocket-Version"]
    """),
    source="RFC 6455 §4.2.2 and §4.4.",
    hints=(
        "The server refuses, but it wants to be helpful.",
        "Look at RFC 6455 §4.4: how do two sides agree on a version?",
    ),
)

# ---------------------------------------------------------------------- 02.7

_TEXT: Final = "Hello"


def _judge_sizes(answer: Any) -> str | None:
    if not isinstance(answer, dict) or set(answer) != {"request", "response", "frame"}:
        return "A dictionary with the keys `request`, `response` and `frame` is wanted."
    client, server = Endpoint(Side.CLIENT), Endpoint(Side.SERVER)
    request = client.connect("localhost", "/chat", key=_KEY)
    server.receive_data(request)
    response = server.accept()
    client.receive_data(response)
    right = {"request": request, "response": response, "frame": client.send_text(_TEXT)}
    for name, data in right.items():
        if answer[name] == len(data):
            continue
        if name == "frame" and answer[name] in (len(_TEXT), len(data) - 4):
            return (
                f"`frame` is {answer[name]} in yours. The frame has a header too, and the client "
                "masks: measure what `send_text` gives back."
            )
        return f"`{name}` is {answer[name]!r} in yours. Measure what is written: `len(...)`."
    return None


_SIZES = Measure(
    id="02.7",
    title="What does a handshake cost?",
    statement="""Let two endpoints shake hands, without any network, and measure: how many bytes
        have the request, the response, and then the client's first frame with the text `Hello`?
        The answer is a dictionary with the keys `request`, `response`, `frame`.""",
    starter=code("""
        from goim_edu.protocol import Endpoint, Side

        client, server = Endpoint(Side.CLIENT), Endpoint(Side.SERVER)
        request = client.connect("localhost", "/chat")
        server.receive_data(request)
        response = server.accept()
        client.receive_data(response)
        answer = {"request": ..., "response": ..., "frame": ...}
    """),
    solution=code("""
        from goim_edu.protocol import Endpoint, Side

        client, server = Endpoint(Side.CLIENT), Endpoint(Side.SERVER)
        request = client.connect("localhost", "/chat")
        server.receive_data(request)
        response = server.accept()
        client.receive_data(response)
        frame = client.send_text("Hello")
        answer = {"request": len(request), "response": len(response), "frame": len(frame)}
    """),
    judge=_judge_sizes,
    wrong=(
        ({"request": 100, "response": 129, "frame": 11}, "`request` is 100"),
        ((1, 2, 3), "dictionary"),
        (
            {
                "request": len(Endpoint(Side.CLIENT).connect("localhost", "/chat")),
                "response": 129,
                "frame": 5,
            },
            "masks",
        ),
    ),
    hints=(
        "`len(request)` is the number of bytes that the client writes.",
        "`client.send_text('Hello')` gives back the bytes of its first frame.",
    ),
    after="The handshake is paid once; after it each message costs a few bytes of header.",
)

# ---------------------------------------------------------------------- 02.8

_WHAT_FOR = Predict(
    id="02.8",
    title="What does the accept value prove?",
    statement="""The notes say that the key serves the verification of the server. What does a
        right `Sec-WebSocket-Accept` really prove?""",
    options=(
        Option(
            "That the server is the one that its name says.",
            "Anybody can compute it: key and GUID are public. Names are proven by TLS.",
        ),
        Option(
            "That the client may log in.",
            "The key is random and says nothing about a user. It authenticates nobody.",
        ),
        Option(
            "That from now on nobody can read along.",
            "Nothing is encrypted by it. For secrecy there is TLS (`wss://`).",
        ),
        Option(
            "That whoever answered has read this very handshake and speaks WebSocket.",
            """A web server that knows nothing of WebSocket, or a cache with an old answer,
                does not give this value by chance.""",
            right=True,
        ),
    ),
    source="RFC 6455 §1.3.",
    hints=(
        "Who could compute the value? Is anything secret in it?",
        "What might answer a WebSocket client that has reached the wrong port?",
    ),
)

EXERCISES: tuple[Exercise, ...] = (
    _ACCEPT_LENGTH,
    _GENERATE_ACCEPT,
    _CLIENT_ACCEPTS,
    _ANSWER_STATUS,
    _SUBPROTOCOL,
    _OLD_VERSION,
    _SIZES,
    _WHAT_FOR,
)
