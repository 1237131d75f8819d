"""Admission: tokens that are good, and all the ways in which they may not be."""

from __future__ import annotations

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from trustme import CA

from goim_edu.chat.auth import Identity, TokenVerifier, Unauthenticated, anybody

SECRET = b"a secret of more than thirty-two octets"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)
PUBLIC = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def token(key: bytes = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    filled = {"sub": "lisa", "exp": time.time() + 3600} | claims
    return jwt.encode(
        {name: value for name, value in filled.items() if value is not None}, key, algorithm
    )


def test_anybody() -> None:
    assert anybody("lisa", "whatever") == Identity("lisa")


@pytest.mark.parametrize("algorithm", ["HS256", "RS256"])
def test_a_good_token(algorithm: Any) -> None:
    hs = algorithm == "HS256"
    verify = TokenVerifier(SECRET if hs else PUBLIC, algorithm)
    expires = int(time.time()) + 60
    made = token(SECRET if hs else PRIVATE, algorithm, exp=expires, rooms=["a", "b"])
    assert verify("lisa", made) == Identity("lisa", frozenset("ab"), expires)
    assert verify("lisa", token(SECRET if hs else PRIVATE, algorithm)).rooms is None


BAD_TOKENS = {  # named, since a token holds the time and would be another in each worker
    "none": (None, "wants a token"),
    "empty": ("", "wants a token"),
    "not a token": ("not.a.token", "not valid"),
    "expired": (token(exp=time.time() - 60), "expired"),
    "no end": (token(exp=None), '"exp"'),
    "no user": (token(sub=None), '"sub"'),
    "another user": (token(sub="eve"), "another user"),
    "a user that is a number": (token(sub=7), "not valid"),
    "another secret": (token(b"another secret of thirty-two octets.."), "Signature"),
    "not yet valid": (token(nbf=time.time() + 3600), "not yet valid (nbf)"),
    "from the future": (token(iat=time.time() + 3600), "not yet valid (iat)"),
    "for another server": (token(aud="another"), "udience"),
    "rooms as text": (token(rooms="lobby"), "not a list of names"),
    "rooms as numbers": (token(rooms=[1]), "not a list of names"),
    "rooms as a mapping": (token(rooms={"lobby": 1}), "not a list of names"),
    "without signature": (
        jwt.encode({"sub": "lisa", "exp": time.time() + 3600}, "", "none"),
        "not valid",
    ),
    "another algorithm": (token(SECRET * 2, "HS512"), "not valid"),
}


@pytest.mark.parametrize(("made", "why"), BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_a_bad_token(made: str | None, why: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        TokenVerifier(SECRET, "HS256")("lisa", made)
    assert why in str(refused.value)


def test_the_public_key_is_no_secret() -> None:
    """The classic attack: sign with HS256, taking the public key for the secret."""

    def part(data: bytes) -> bytes:
        return urlsafe_b64encode(data).rstrip(b"=")

    claims = f'{{"sub":"lisa","exp":{int(time.time()) + 60}}}'.encode()
    body = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(claims)
    forged = body + b"." + part(hmac.new(PUBLIC.rstrip(b"\n"), body, hashlib.sha256).digest())
    with pytest.raises(Unauthenticated):
        TokenVerifier(PUBLIC, "RS256")("lisa", forged.decode())
    with pytest.raises(ValueError, match="PEM"):
        TokenVerifier(PUBLIC, "HS256")


# ---------------------------------------------------------------------- time


@pytest.mark.parametrize("leeway", [0.0, 10.0, 300.0])
def test_clocks_may_differ_by_the_leeway(leeway: float, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr("goim_edu.chat.auth.time", lambda: now)
    verify = TokenVerifier(SECRET, "HS256", leeway)
    goods: list[dict[str, Any]] = [
        *({"exp": now - leeway + 1}, {"exp": now + 1, "nbf": now + leeway, "iat": now + leeway}),
        *({"exp": int(now) + 1, "iat": int(now)}, {"exp": now + 1, "iat": 0}),
    ]
    for good in goods:
        came_late = leeway if good["exp"] <= now else 0  # it is not cut off where it came in
        assert verify("lisa", token(**good)).expires == good["exp"] + came_late
    for name, value in (("exp", now - leeway), ("nbf", now + leeway + 1), ("iat", now + 1e6)):
        late: dict[str, Any] = {"exp": now + 1, name: value}
        with pytest.raises(Unauthenticated):
            verify("lisa", token(**late))


def signed(head: str, claims: str) -> str:
    """A token of any octets, with a signature of ours."""
    parts = [urlsafe_b64encode(part.encode()).rstrip(b"=") for part in (head, claims)]
    body = b".".join(parts)
    mark = urlsafe_b64encode(hmac.new(SECRET, body, hashlib.sha256).digest()).rstrip(b"=")
    return (body + b"." + mark).decode()


HEAD = '{"alg":"HS256"}'
ABSURD = (
    *("1e308", "1e309", "-1e308", "NaN", "Infinity", "-Infinity", "1" + "0" * 400, "9" * 5000),
    *("null", "true", "false", '""', '"9999999999"', '"soon"', "[9999999999]", "{}", '{"a":1}'),
    *("-1", "253402300800"),
)


@pytest.mark.parametrize("value", ABSURD, ids=lambda value: value[:12])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_an_absurd_time_is_refused(name: str, value: str) -> None:
    end = int(time.time()) + 60
    claims = f'{{"sub":"lisa","exp":{end},"{name}":{value}}}'
    with pytest.raises(Unauthenticated) as refused:
        TokenVerifier(SECRET, "HS256")("lisa", signed(HEAD, claims))
    assert len(str(refused.value)) < 300


DEEP = "[" * 50_000


@pytest.mark.parametrize(
    "made",
    [
        signed(HEAD, DEEP),
        signed(DEEP, "{}"),
        signed(f'{{"alg":"HS256","x":{DEEP}', "{}"),
        signed('{"alg":["HS256"]}', "{}"),
        signed('{"alg":{}}', "{}"),
        signed('{"alg":"HS256","kid":7}', "{}"),
        signed('{"alg":"HS256","crit":["x"]}', "{}"),
        signed('{"alg":"HS256","b64":false}', "{}"),
        signed("[]", "{}"),
        signed("7", "7"),
        signed(HEAD, "[1]"),
        signed(HEAD, "null"),
        signed(HEAD, '{"sub":"lisa","exp":9999999999,"aud":{"a":[]}}'),
        signed(HEAD, '{"sub":["lisa"],"exp":9999999999}'),
        signed(HEAD, '{"sub":"lisa","exp":9999999999,"jti":{}}'),
        signed(HEAD, '{"sub":"lisa","exp":9999999999,"rooms":[[[]]]}'),
        "\0",
        "é.é.é",
        "\ud83d.a.b",
        "....",
        "a" * 8192,
    ],
    ids=lambda made: made[:8],
)
def test_an_absurd_token_is_refused_without_a_fault_of_ours(made: str) -> None:
    with pytest.raises(Unauthenticated):
        TokenVerifier(SECRET, "HS256")("lisa", made)


def test_an_audience_of_ours() -> None:
    verify = TokenVerifier(SECRET, "HS256", audience=["chat", "goim"])
    for good in ("chat", ["another", "goim"]):
        assert verify("lisa", token(aud=good)).user_id == "lisa"
    for bad in ("Chat", ["another"], [], 7, {"chat": 1}, [["chat"]], None):
        with pytest.raises(Unauthenticated):
            verify("lisa", token(aud=bad))


# ---------------------------------------------------------------------- keys


def pem(key: Any, private: bool = False) -> bytes:
    if private:
        return key.private_bytes(  # type: ignore[no-any-return]
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    return key.public_key().public_bytes(  # type: ignore[no-any-return]
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


ELLIPTIC = ec.generate_private_key(ec.SECP256R1())
LOCKED = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.BestAvailableEncryption(b"locked"),
)
WRONG_KEYS: dict[str, tuple[bytes, str, str]] = {
    "short": (b"short", "HS256", "5 octets is too short"),
    "31 octets": (b"x" * 31, "HS256", "31 octets"),
    "no secret": (b"", "HS256", "0 octets"),
    "public key as secret": (PUBLIC, "HS256", "PEM"),
    "private key as secret": (PRIVATE, "HS256", "PEM"),
    "SSH key as secret": (b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ", "HS256", "SSH"),
    "secret as public key": (SECRET, "RS256", "not a public key"),
    "no public key": (b"", "RS256", "not a public key"),
    "garbage": (
        b"-----BEGIN PUBLIC KEY-----\nbm90IGEga2V5\n-----END PUBLIC KEY-----",
        "RS256",
        "cannot be read",
    ),
    "cut": (PUBLIC[:200], "RS256", "cannot be read"),
    "private": (PRIVATE, "RS256", "private key"),
    "private, the old form": (pem(KEY, private=True), "RS256", "private key"),
    "private and locked": (LOCKED, "RS256", "private key"),
    "both": (PUBLIC + PRIVATE, "RS256", "private key"),
    "certificate": (CA().cert_pem.bytes(), "RS256", "certificate"),
    "elliptic": (pem(ELLIPTIC), "RS256", "not for RSA"),
    "short RSA": (pem(rsa.generate_private_key(65537, 1024)), "RS256", "1024 bits is too short"),
}


@pytest.mark.parametrize(("key", "algorithm", "why"), WRONG_KEYS.values(), ids=WRONG_KEYS)
def test_keys_that_do_not_fit(key: bytes, algorithm: Any, why: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=why):
        TokenVerifier(key, algorithm)
    path = tmp_path / "key"
    path.write_bytes(key)
    with pytest.raises(ValueError, match=f"{path}: .*{why}") as refused:
        TokenVerifier.from_file(path, algorithm)
    assert "\n" not in str(refused.value)
    assert len(key) < 30 or key.decode()[-30:] not in str(refused.value)


def test_the_newline_of_a_secret_file_is_not_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    assert TokenVerifier.from_file(path, "HS256")("lisa", token()).user_id == "lisa"
