"""Authentication: any name is believed, or a token must prove it.

A token is a JWT (RFC 7519): ``sub`` is the user, ``exp`` its end, both required. With a ``rooms``
claim, a list of names, its user may enter no others. It is signed with a secret that we share
(HS256), or with a private key whose public key we have (RS256); which of the two is fixed by the
key that we were given, never by the token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from importlib import import_module
from pathlib import Path
from time import time
from typing import Any, Final, Literal, NamedTuple

from goim_edu.errors import Unauthenticated, needs_extra

__all__ = ["Authenticate", "Identity", "TokenVerifier", "Unauthenticated", "anybody"]

_SHORTEST_SECRET: Final = 32  # octets
_SHORTEST_RSA: Final = 2048  # bits
_YEAR_10000: Final = 253_402_300_800  # seconds since 1970


class Identity(NamedTuple):
    """A user whose name was checked.

    Args:
        user_id: the name.
        rooms: the rooms that the user may enter, None for all.
        expires: when the session ends that a token allows, in seconds since 1970; or None.
    """

    user_id: str
    rooms: frozenset[str] | None = None
    expires: float | None = None


Authenticate = Callable[[str, str | None], Identity | Awaitable[Identity]]
"""Takes the ``user_id`` and ``token`` of a hello; raises Unauthenticated.

A plain function must not wait for anything: it runs in the event loop. What asks another server
is a coroutine, which may take as long as ``hello_timeout``.
"""


def anybody(user_id: str, token: str | None) -> Identity:
    """Believe any name: for servers that only this machine can reach.

    >>> anybody("lisa", None)
    Identity(user_id='lisa', rooms=None, expires=None)
    """
    return Identity(user_id)


class TokenVerifier:
    """Checks tokens.

    Args:
        key: the shared secret, at least 32 octets, or the public key in PEM form.
        algorithm: the one that the key is for.
        leeway: seconds by which the clock of the token's issuer may differ from ours, 0 or more.
        audience: the names by which tokens may mean this server (``aud``); without one, a token
            that names an audience is refused (RFC 7519 §4.1.3).

    Raises:
        ValueError: the key does not fit the algorithm.
        MissingExtra: PyJWT is not installed.

    >>> import jwt, time
    >>> secret = b"thirty-two octets or more of secret"
    >>> token = jwt.encode({"sub": "lisa", "exp": time.time() + 60}, secret, "HS256")
    >>> TokenVerifier(secret, "HS256")("lisa", token).user_id
    'lisa'
    """

    def __init__(
        self,
        key: bytes,
        algorithm: Literal["HS256", "RS256"],
        leeway: float = 10.0,
        audience: Collection[str] = (),
    ) -> None:
        with needs_extra("jwt"):  # not before: with its cryptography it is a slow import
            import_module("jwt")
            import_module("cryptography")
        (_check_secret if algorithm == "HS256" else _check_public_key)(key)
        self._key = key
        self._algorithm = algorithm
        self._leeway = leeway
        self._audience = tuple(audience) or None

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        algorithm: Literal["HS256", "RS256"],
        leeway: float = 10.0,
        audience: Collection[str] = (),
    ) -> TokenVerifier:
        """Read the key; the newline at the end of a secret's file does not belong to it.

        Raises:
            OSError: it cannot be read.
            ValueError: it does not fit the algorithm.
        """
        key = Path(path).read_bytes().rstrip(b"\r\n")
        try:
            return cls(key, algorithm, leeway, audience)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def __call__(self, user_id: str, token: str | None) -> Identity:
        """Check a token; raises Unauthenticated if it does not prove the name."""
        if not token:
            raise Unauthenticated("this server wants a token")
        claims = self._decode(token)
        ends = self._check_times(claims)
        if claims["sub"] != user_id:
            raise Unauthenticated("the token is for another user")
        rooms = claims.get("rooms")
        if rooms is not None and not (
            isinstance(rooms, list) and all(isinstance(name, str) for name in rooms)
        ):
            raise Unauthenticated("the claim 'rooms' is not a list of names")
        return Identity(user_id, None if rooms is None else frozenset(rooms), ends)

    def _decode(self, token: str) -> dict[str, Any]:
        """The claims of a token that is signed with our key and meant for us."""
        import jwt

        try:
            return jwt.decode(
                token,
                self._key,
                algorithms=[self._algorithm],
                audience=self._audience,
                options={
                    "require": ["sub", "exp"],
                    "verify_exp": False,  # its times are for _check_times
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, *_FAULTS_OF_A_TOKEN) as error:
            raise Unauthenticated(f"the token is not valid: {error}") from None

    def _check_times(self, claims: dict[str, Any]) -> float:
        """The end of a token whose time it is (RFC 7519 §4.1.4 to §4.1.6), in seconds since 1970.

        The leeway is for coming in: a token that is good ends when it says so. No rule of the RFC
        refuses an ``iat`` in the future, but beyond the leeway a clock is wrong.
        """
        now = time()
        ends = _moment(claims, "exp")
        if ends <= now:
            ends += self._leeway
        if ends <= now:
            raise Unauthenticated("the token is not valid: it has expired")
        for name in ("nbf", "iat"):
            if name in claims and _moment(claims, name) > now + self._leeway:
                raise Unauthenticated(f"the token is not yet valid ({name})")
        return ends


# What libraries raise that take a token for better than it is: JSON nested a thousand deep, say.
_FAULTS_OF_A_TOKEN: Final = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)


def _moment(claims: dict[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519 §2): a JSON number of seconds, here of the years 1970 to 9999."""
    value = claims[name]
    if type(value) not in (int, float) or not 0 <= value < _YEAR_10000:  # a NaN is not in between
        raise Unauthenticated(f"the token is not valid: its claim {name!r} is not a time")
    return float(value)


# ---------------------------------------------------------------------- keys


def _check_secret(key: bytes) -> None:
    """Raise a ValueError for what is not a secret that only two sides know."""
    if b"-----BEGIN" in key or key.startswith(b"ssh-"):
        raise ValueError("this is a key of its own (PEM or SSH), not a shared secret for HS256")
    if len(key) < _SHORTEST_SECRET:
        raise ValueError(
            f"a secret of {len(key)} octets is too short, take {_SHORTEST_SECRET} or more "
            "(RFC 7518 §3.2)"
        )


def _check_public_key(key: bytes) -> None:
    """Raise a ValueError for what is not a public RSA key in PEM form."""
    if b"PRIVATE KEY-----" in key:
        raise ValueError("this is a private key: take the public one, openssl pkey -pubout")
    if b"-----BEGIN CERTIFICATE" in key:
        raise ValueError("this is a certificate: take its public key, openssl x509 -pubkey -noout")
    if b"-----BEGIN" not in key:
        raise ValueError("this is not a public key in PEM form")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        public = load_pem_public_key(key)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("this public key in PEM form cannot be read") from None
    if not isinstance(public, RSAPublicKey):
        raise ValueError("this public key is not for RSA, which RS256 needs")
    if public.key_size < _SHORTEST_RSA:
        raise ValueError(
            f"an RSA key of {public.key_size} bits is too short, take {_SHORTEST_RSA} or more "
            "(RFC 7518 §3.3)"
        )
