"""Admission: tokens that are good, and all the ways in which they may not be."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

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
    "expired": (token(exp=time.time() - 1), "expired"),
    "no end": (token(exp=None), '"exp"'),
    "no user": (token(sub=None), '"sub"'),
    "another user": (token(sub="eve"), "another user"),
    "a user that is a number": (token(sub=7), "not valid"),
    "another secret": (token(b"another secret of thirty-two octets.."), "Signature"),
    "not yet valid": (token(nbf=time.time() + 3600), "not yet valid"),
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
    import hashlib
    import hmac
    from base64 import urlsafe_b64encode

    def part(data: bytes) -> bytes:
        return urlsafe_b64encode(data).rstrip(b"=")

    claims = f'{{"sub":"lisa","exp":{int(time.time()) + 60}}}'.encode()
    body = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(claims)
    forged = body + b"." + part(hmac.new(PUBLIC.rstrip(b"\n"), body, hashlib.sha256).digest())
    with pytest.raises(Unauthenticated):
        TokenVerifier(PUBLIC, "RS256")("lisa", forged.decode())
    with pytest.raises(ValueError, match="PEM"):
        TokenVerifier(PUBLIC, "HS256")


@pytest.mark.parametrize(
    ("key", "algorithm"), [(b"short", "HS256"), (b"", "HS256"), (SECRET, "RS256"), (b"", "RS256")]
)
def test_keys_that_do_not_fit(key: bytes, algorithm: Any) -> None:
    with pytest.raises(ValueError, match=r"secret|key"):
        TokenVerifier(key, algorithm)


def test_the_newline_of_a_secret_file_is_not_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    assert TokenVerifier.from_file(path, "HS256")("lisa", token()).user_id == "lisa"
