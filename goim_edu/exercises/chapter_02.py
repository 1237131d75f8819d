"""Exercises of chapter 02: the opening handshake (RFC 6455 §1.3, §4)."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Function, Measure, Predict
from goim_edu.protocol import Endpoint, Side
from goim_edu.websocket.handshake import generate_accept

_KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
_OTHER_KEY: Final = "AAAAAAAAAAAAAAAAAAAAAA=="
_ACCEPT: Final = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def _key(c: Choices) -> str:
    return base64.b64encode(bytes(c.integer(0, 255) for _ in range(16))).decode()


# ---------------------------------------------------------------------- 02.1

_ACCEPT_LENGTH = Predict(
    id="02.1",
    answer=28,
    experiment="""
        from goim_edu.protocol import generate_accept
        len(generate_accept("dGhlIHNhbXBsZSBub25jZQ=="))
    """,
)

# ---------------------------------------------------------------------- 02.2


def accept_for(key: str) -> str:
    """The Sec-WebSocket-Accept for a key (RFC 6455 §4.2.2 item 5.4)."""
    guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    digest = hashlib.sha1((key + guid).encode()).digest()  # noqa: S324 (the RFC asks for it)
    return base64.b64encode(digest).decode()


_GENERATE_ACCEPT = Function(
    id="02.2",
    serves=True,
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
    cases=((_KEY,), (_OTHER_KEY,)),
    make=lambda c: (_key(c),),
    wrong=(
        (".digest()", ".hexdigest().encode()"),
        ("key + guid", "guid + key"),
        ("(key + guid).encode()", "base64.b64decode(key) + guid.encode()"),
        ("base64.b64encode(digest).decode()", "base64.b64encode(digest)"),
        ("base64.b64encode(digest).decode()", 'base64.b64encode(digest).decode().rstrip("=")'),
        ("key + guid", "key + guid.lower()"),
    ),
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


_GOOD: Final = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-accept": _ACCEPT}


def _answer(c: Choices) -> tuple[int, dict[str, str], str]:
    key = _key(c)
    right = generate_accept(key)
    headers = {
        "upgrade": c.pick(("websocket", "WebSocket", "h2c", "")),
        "connection": c.pick(("Upgrade", "upgrade", "keep-alive, Upgrade", "keep-alive", "")),
        "sec-websocket-accept": c.pick((right, right.lower(), _ACCEPT, "")),
    }
    return c.pick((101, 200, 400)), {name: text for name, text in headers.items() if text}, key


_CLIENT_ACCEPTS = Function(
    id="02.3",
    needs="from goim_edu.protocol import generate_accept",
    starter="""
        def client_accepts(status, headers, key):
            return headers["sec-websocket-accept"] == generate_accept(key)
    """,
    kind="mend",
    reference=client_accepts,
    cases=(
        (101, _GOOD, _KEY),
        (200, _GOOD, _KEY),
        (101, {**_GOOD, "sec-websocket-accept": "AAAA"}, _KEY),
        (101, {**_GOOD, "upgrade": "WebSocket", "connection": "upgrade"}, _KEY),
        (101, {**_GOOD, "connection": "keep-alive, Upgrade"}, _KEY),
        (101, {**_GOOD, "connection": "no-upgrade"}, _KEY),
        (101, {name: _GOOD[name] for name in ("connection", "sec-websocket-accept")}, _KEY),
        (101, {name: _GOOD[name] for name in ("upgrade", "connection")}, _KEY),
        (101, {**_GOOD, "sec-websocket-accept": _ACCEPT.lower()}, _KEY),
        (101, {**_GOOD, "sec-websocket-accept": generate_accept(_OTHER_KEY)}, _OTHER_KEY),
        (101, _GOOD, _OTHER_KEY),
    ),
    make=_answer,
    wrong=(
        ("status == 101", "True"),
        (
            'headers.get("upgrade", "").lower() == "websocket"',
            'headers.get("upgrade", "") == "websocket"',
        ),
        (
            '"upgrade" in [token.strip() for token in connection]',
            'headers.get("connection", "").lower() == "upgrade"',
        ),
        (
            '"upgrade" in [token.strip() for token in connection]',
            '"upgrade" in headers.get("connection", "").lower()',
        ),
        ('headers.get("sec-websocket-accept")', 'headers["sec-websocket-accept"]'),
        ("generate_accept(key)", f'"{_ACCEPT}"'),
    ),
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
    kind="mend",
    needs="import base64",
    starter="""
        def answer_status(method, version, headers):
            if "sec-websocket-key" in headers:
                return 101
            return 400
    """,
    reference=answer_status,
    cases=(
        ("GET", "HTTP/1.1", _ASK),
        ("POST", "HTTP/1.1", _ASK),
        ("GET", "HTTP/1.0", _ASK),
        ("GET", "HTTP/1.1", _without("host")),
        ("GET", "HTTP/1.1", _without("upgrade")),
        ("GET", "HTTP/1.1", {**_ASK, "connection": "keep-alive, Upgrade"}),
        ("GET", "HTTP/1.1", {**_ASK, "connection": "keep-alive"}),
        ("GET", "HTTP/1.1", {**_ASK, "sec-websocket-version": "8"}),
        ("GET", "HTTP/1.1", _without("sec-websocket-version")),
        ("GET", "HTTP/1.1", _without("sec-websocket-key")),
        ("GET", "HTTP/1.1", {**_ASK, "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAAAA"}),
        ("GET", "HTTP/1.1", {**_ASK, "sec-websocket-key": "not Base64 at all!"}),
        ("GET", "HTTP/1.1", {**_ASK, "upgrade": "h2c"}),
        ("GET", "HTTP/1.1", {**_ASK, "upgrade": "h2c, WebSocket"}),
        ("GET", "HTTP/1.1", {**_ASK, "connection": "no-upgrade"}),
        ("GET", "HTTP/1.1", {**_ASK, "sec-websocket-key": f"{_KEY[:8]}!{_KEY[8:]}"}),
        ("GET", "HTTP/1.1", {**_ASK, "sec-websocket-version": "113"}),
    ),
    make=_request,
    wrong=(
        ('if method != "GET":', 'if method == "PUT":'),
        ('version < "HTTP/1.1" or ', ""),
        (
            'if "upgrade" not in words("connection"):',
            'if headers.get("connection", "") != "Upgrade":',
        ),
        ('return 426 if "sec-websocket-version" in headers else 400', "return 400"),
        ("len(key) == 16", 'len(headers.get("sec-websocket-key", "")) == 24'),
        ("except ValueError:", "except KeyError:"),
        ('if "websocket" not in words("upgrade"):', 'if "upgrade" not in headers:'),
        (", validate=True", ""),
        ('words("connection")', 'headers.get("connection", "").lower()'),
        (
            'headers.get("sec-websocket-version", "") != "13"',
            'not headers.get("sec-websocket-version", "").endswith("13")',
        ),
    ),
)

# ---------------------------------------------------------------------- 02.5


def choose_subprotocol(offer: str | None, supported: list[str]) -> str | None:
    """The client's most wanted subprotocol that we support (RFC 6455 §4.2.2)."""
    for name in (offer or "").split(","):
        if name.strip() in supported:
            return name.strip()
    return None


_NAMES: Final = ("goim.v1.json", "goim.v1.bson", "goim.v2.json", "chat", "x")


def _offer(c: Choices) -> tuple[str | None, list[str]]:
    if c.integer(0, 9) == 9:
        return None, [c.pick(_NAMES)]
    offered = dict.fromkeys(c.some(0, 4, lambda: c.pick(_NAMES)))
    return c.pick((", ", ",", " , ")).join(offered), list(
        dict.fromkeys(c.some(0, 3, lambda: c.pick(_NAMES)))
    )


_SUBPROTOCOL = Function(
    id="02.5",
    starter="""
        def choose_subprotocol(offer, supported):
            return ...
    """,
    reference=choose_subprotocol,
    cases=(
        ("goim.v1.json", ["goim.v1.json"]),
        ("goim.v1.bson, goim.v1.json", ["goim.v1.json", "goim.v1.bson"]),
        ("goim.v2.json, goim.v1.json", ["goim.v1.json"]),
        ("mqtt", ["goim.v1.json"]),
        (None, ["goim.v1.json"]),
        ("goim.v1.json.old", ["goim.v1.json"]),
        ("GOIM.V1.JSON, goim.v1.bson", ["goim.v1.json", "goim.v1.bson"]),
    ),
    make=_offer,
    wrong=(
        """
            def choose_subprotocol(offer, supported):
                offered = [name.strip() for name in (offer or "").split(",")]
                return next((name for name in supported if name in offered), None)
        """,
        ("return None", "return supported[0] if supported else None"),
        (
            "if name.strip() in supported:\n            return name.strip()",
            "if name in supported:\n            return name",
        ),
        ('(offer or "")', "offer"),
        (
            "if name.strip() in supported:\n            return name.strip()",
            "for ours in supported:\n            if ours in name:\n                return ours",
        ),
        (
            "if name.strip() in supported:\n            return name.strip()",
            "if name.strip().lower() in supported:\n            return name.strip().lower()",
        ),
    ),
)

# ---------------------------------------------------------------------- 02.6

_OLD_VERSION = Predict(
    id="02.6",
    right="c",
    experiment="""
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
    """,
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
        if answer[name] is ...:
            return f"For `{name}` there is still `...`: fill it in."
        return f"`{name}` is {answer[name]!r} in yours. Measure what is written: `len(...)`."
    return None


_SIZES = Measure(
    id="02.7",
    starter="""
        from goim_edu.protocol import Endpoint, Side

        client, server = Endpoint(Side.CLIENT), Endpoint(Side.SERVER)
        request = client.connect("localhost", "/chat")
        server.receive_data(request)
        response = server.accept()
        client.receive_data(response)
        answer = {"request": ..., "response": ..., "frame": ...}
    """,
    solved=(
        "answer = ",
        'frame = client.send_text("Hello")\nanswer = ',
        '"request": ..., "response": ..., "frame": ...',
        '"request": len(request), "response": len(response), "frame": len(frame)',
    ),
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
)

# ---------------------------------------------------------------------- 02.8

_WHAT_FOR = Predict(id="02.8", right="d")
