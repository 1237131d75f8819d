"""Authentication: any name is believed, or a token must prove it.

A token is a JWT (RFC 7519): ``sub`` is the user, ``exp`` its end, both required; with a ``rooms``
claim, a list of names, its user may enter no others. It is signed with a secret that we share
(HS256), or with a private key whose public key we have (RS256); which of the two is fixed by the
key that we were given, never by the token.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

__all__ = ["Authenticate", "Identity", "TokenVerifier", "Unauthenticated", "anybody"]

_SHORTEST_SECRET = 32


class Unauthenticated(Exception):
    """The client did not prove that it is this user; the text says why."""


class Identity(NamedTuple):
    """A user whose name was checked.

    Args:
        user_id: the name.
        rooms: the rooms that the user may enter, None for all.
        expires: the end of the token in seconds since 1970, or None.
    """

    user_id: str
    rooms: frozenset[str] | None = None
    expires: float | None = None


Authenticate = Callable[[str, str | None], Identity]
"""Takes the ``user_id`` and ``token`` of a hello; raises Unauthenticated."""


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

    Raises:
        ValueError: the key does not fit the algorithm.

    >>> import jwt, time
    >>> secret = b"thirty-two octets or more of secret"
    >>> token = jwt.encode({"sub": "lisa", "exp": time.time() + 60}, secret, "HS256")
    >>> TokenVerifier(secret, "HS256")("lisa", token).user_id
    'lisa'
    """

    def __init__(self, key: bytes, algorithm: Literal["HS256", "RS256"]) -> None:
        looks_public = b"-----BEGIN" in key
        if algorithm == "HS256":
            if looks_public:
                raise ValueError("this is a PEM key, not a secret: everybody may know it")
            if len(key) < _SHORTEST_SECRET:
                raise ValueError(f"a secret of {len(key)} octets is too short, take 32 or more")
        elif not looks_public:
            raise ValueError("this is not a public key in PEM form")
        self._key = key
        self._algorithm = algorithm

    @classmethod
    def from_file(cls, path: Path, algorithm: Literal["HS256", "RS256"]) -> TokenVerifier:
        """Read the key; the newline at the end of a secret's file does not belong to it.

        Raises:
            OSError: it cannot be read.
            ValueError: it does not fit the algorithm.
        """
        return cls(path.read_bytes().rstrip(b"\r\n"), algorithm)

    def __call__(self, user_id: str, token: str | None) -> Identity:
        """Check a token; raises Unauthenticated if it does not prove the name."""
        import jwt  # with its cryptography it is the slowest import of the server

        if not token:
            raise Unauthenticated("this server wants a token")
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[self._algorithm],
                options={"require": ["sub", "exp"]},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"the token is not valid: {error}") from None
        if claims["sub"] != user_id:
            raise Unauthenticated("the token is for another user")
        rooms = claims.get("rooms")
        if rooms is not None and not (
            isinstance(rooms, list) and all(isinstance(name, str) for name in rooms)
        ):
            raise Unauthenticated("the claim 'rooms' is not a list of names")
        return Identity(user_id, None if rooms is None else frozenset(rooms), float(claims["exp"]))
