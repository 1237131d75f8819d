"""What a server can be told, and whether it is safe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from inspect import signature
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from goim_edu.chat.auth import Authenticate, TokenVerifier, anybody
from goim_edu.chat.limits import ChatLimits
from goim_edu.cluster.addresses import bus_servers
from goim_edu.errors import UnsafeConfig
from goim_edu.serving.access import AllowedOrigins, is_loopback
from goim_edu.serving.checking import check_settings
from goim_edu.serving.tls import Certificate
from goim_edu.serving.visitor import TrustedProxies
from goim_edu.websocket.deflate_config import DeflateConfig

__all__ = [
    "ServerConfig",
    "UnsafeConfig",
    "make_authenticate",
    "read_metrics_token",
]

_Auth = Literal["none", "jwt"]
_OR_NONE: Final = ("port", "heartbeat_interval", "handshake_rate", "hsts", "jwt_leeway")
"""Those that may be 0."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Everything that the server can be told.

    The options of ``serve`` are made of these fields and of those of ``ChatLimits``: their names,
    their defaults, and what is said of them here.

    Args:
        host: address to listen on; of a name with several it takes the first IPv4 one.
        port: number of the TCP port; 0 picks a free one.
        limits: what one client of the chat may ask for.
        max_message_size: octets of a message; a longer one closes with 1009.
        compression: whether to agree on permessage-deflate. A program may give a ``DeflateConfig``
            instead of True, which keeps nothing of a message for the next.
        heartbeat_interval: seconds between pings; 0 for none.
        heartbeat_timeout: seconds until a silent peer is given up.
        max_connections: connections in all.
        max_per_ip: connections from one address.
        queue_limit: octets that may wait for one slow reader before it is closed with 1013.
        memory_limit: octets that slow readers and half received messages may take in all; past
            it, the connections with the most are closed first, with 1013.
        message_timeout: seconds for a message to arrive, and one more for each 8 KiB of it that
            have come; then 1013.
        control_rate: frames a second: Pings and Pongs of one peer; past it, it is read later.
        echo_rate: octets a second that ``/echo`` sends back to one peer, a message counting as
            1 KiB more than it has; past it, it is read later.
        tls_timeout: seconds for the TLS handshake, absolute; it counts as a connection.
        open_timeout: seconds for the opening handshake, absolute.
        close_timeout: seconds for the closing handshake, absolute.
        handshake_rate: handshakes a second that are taken; more are answered 503 and come again a
            few seconds later. 0: as many as come, and 500 where there are other servers.
        drain_timeout: seconds that draining may take.
        origins: pages that may connect besides our own: ``https://chat.example.com``,
            ``loopback`` for any page of this machine, ``*`` for every page.
        hosts: names by which browsers may reach the server: ``chat.example.com``, ``*`` for every
            name. Those of this machine always may; if it listens beyond, so may all others unless
            some are given.
        trusted_proxies: networks or addresses of proxies whose ``X-Forwarded-For``,
            ``X-Forwarded-Proto`` and ``Forwarded`` are believed.
        auth: ``none`` believes every name, ``jwt`` wants a token.
        jwt_secret: file with the shared secret (HS256).
        jwt_public_key: file with the public key (RS256).
        jwt_leeway: seconds by which the clock of the tokens' issuer may differ from ours.
        jwt_audience: audience that a token must be for (its claim aud); without this option a
            token that is for any audience is refused.
        tls_cert: file with the certificate chain, PEM.
        tls_key: file with its key, PEM.
        hsts: seconds for which browsers are to come by TLS only, once they came so; 0 for none.
        metrics_token: file with the token that ``/metrics`` wants as ``Authorization: Bearer``;
            without it only programs of this machine are answered.
        metrics: whether there are figures at ``/metrics``.
        health: whether there is an answer at ``/healthz``.
        bus: addresses of NATS servers, ``nats://a,b,c``, by which the servers of one chat tell each
            other of messages; without it they follow MongoDB's change streams. ``@FILE`` stands for
            the addresses in the file's first line, which other users of the machine do not see.
        insecure: listen beyond this machine even without authentication and TLS.

    A path may be a str, and a sequence of names a list.

    Raises:
        ValueError: a setting is not what it must be; the text begins with its name.

    >>> ServerConfig(port=0).url_scheme
    'ws'
    """

    host: str = "127.0.0.1"
    port: int = 8765
    limits: ChatLimits = field(default_factory=ChatLimits)
    max_message_size: int = 1 << 20
    compression: bool | DeflateConfig = True
    heartbeat_interval: float = 20.0
    heartbeat_timeout: float = 20.0
    max_connections: int = 10_000
    max_per_ip: int = 2_000
    queue_limit: int = 1 << 20
    memory_limit: int = 1 << 28
    message_timeout: float = 60.0
    control_rate: float = 100.0
    echo_rate: float = float(4 << 20)
    tls_timeout: float = 10.0
    open_timeout: float = 10.0
    close_timeout: float = 5.0
    handshake_rate: float = 0.0
    drain_timeout: float = 10.0
    origins: Sequence[str] = ()
    hosts: Sequence[str] = ()
    trusted_proxies: Sequence[str] = ()
    auth: _Auth = "none"
    jwt_secret: str | Path | None = None
    jwt_public_key: str | Path | None = None
    jwt_leeway: float = 10.0
    jwt_audience: Sequence[str] = ()
    tls_cert: str | Path | None = None
    tls_key: str | Path | None = None
    hsts: int = 180 * 24 * 3600
    metrics_token: str | Path | None = None
    metrics: bool = True
    health: bool = True
    bus: str = ""
    insecure: bool = False

    def __post_init__(self) -> None:
        check_settings(self, or_none=_OR_NONE, but=("compression",))
        if not isinstance(self.limits, ChatLimits):
            raise ValueError(f"limits must be a ChatLimits, not {self.limits!r}")
        check_settings(self.limits, or_none=("presence_grace",))
        if self.port > 65535:
            raise ValueError(f"port must be from 0 to 65535, not {self.port}")
        if self.auth not in get_args(_Auth):
            raise ValueError(f"auth must be 'none' or 'jwt', not {self.auth!r}")
        if not isinstance(self.compression, bool | DeflateConfig):
            raise ValueError(
                f"compression must be True, False or a DeflateConfig, not {self.compression!r}"
            )
        for host in self.hosts:
            if not host or "/" in host:
                raise ValueError(f"hosts: {host!r} is not a name such as chat.example.com")
        if self.bus:
            bus_servers(self.bus)
        for name, kind in (("origins", AllowedOrigins), ("trusted_proxies", TrustedProxies)):
            try:
                kind(getattr(self, name))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None

    def __new__(cls, *_: object, **settings: object) -> Self:
        """Say where a limit of the chat is to be given; the rest is for ``__init__``."""
        misplaced = sorted({one.name for one in fields(ChatLimits)} & settings.keys())
        if misplaced:
            name = misplaced[0]
            raise TypeError(
                f"unexpected keyword argument {name!r}: it is a limit of the chat, so say "
                f"ServerConfig.of({name}=...), or ServerConfig(limits=ChatLimits({name}=...))"
            )
        return object.__new__(cls)

    @classmethod
    def of(cls, **settings: Any) -> Self:
        """The config with these settings, those of ``ChatLimits`` among them.

        >>> ServerConfig.of(burst=5, port=0).limits.burst
        5

        Raises:
            TypeError: there is no setting of that name.
            ValueError: a setting is not what it must be.
        """
        names = {one.name for one in fields(ChatLimits)}
        ours = {name: settings.pop(name) for name in names & settings.keys()}
        import difflib  # for this error only

        known = [one.name for one in fields(cls)]
        for name in settings:
            if name not in known:
                near = difflib.get_close_matches(name, [*known, *names], 1)
                hint = f": did you mean {near[0]!r}?" if near else ""
                raise TypeError(f"there is no setting {name!r}{hint}")
        limits = settings.pop("limits", ChatLimits())
        if ours and isinstance(limits, ChatLimits):
            limits = replace(limits, **ours)
        return cls(limits=limits, **settings)

    @property
    def url_scheme(self) -> str:
        """``wss`` with TLS, else ``ws``."""
        return "wss" if self.tls_cert else "ws"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    def check(self) -> None:
        """Find out now what would otherwise be found when the server starts.

        Raises:
            ValueError: it makes no sense, or it is unsafe (UnsafeConfig).
            OSError: a file cannot be read.
        """
        self.warning()
        Certificate(self.tls_cert, self.tls_key)
        make_authenticate(self)
        read_metrics_token(self)

    def warning(self, *, authenticated: bool = False, encrypted: bool = False) -> str | None:
        """What is dangerous about it, or None.

        Args:
            authenticated: whether names are checked by other means than these settings.
            encrypted: whether there is TLS by other means.

        Raises:
            UnsafeConfig: it is dangerous, and ``insecure`` is not set.
        """
        authenticated = authenticated or self.auth != "none"
        encrypted = encrypted or self.tls_cert is not None
        guards = (("authentication", authenticated), ("TLS", encrypted))
        missing = [what for what, there in guards if not there]
        if self.is_loopback or not missing:
            return None
        what = f"{self.host} can be reached by others, and there is no {' and no '.join(missing)}"
        if not self.insecure and len(missing) == 2:
            raise UnsafeConfig(
                f"{what}: use auth='jwt', or tls_cert and tls_key, or insecure=True if you mean it"
            )
        if not authenticated and not self.hosts:
            what += (
                ". Any web page may reach it by a name that leads here: give its own names in the "
                "setting hosts (on the command line --allow-host)"
            )
        return what


# Tooltips show the fields, not what ``__new__`` takes.
_INIT: Final = signature(ServerConfig.__init__)
ServerConfig.__signature__ = _INIT.replace(  # type: ignore[attr-defined]
    parameters=tuple(_INIT.parameters.values())[1:]
)


def make_authenticate(config: ServerConfig) -> Authenticate:
    """The check of a hello.

    Raises:
        ValueError: there is no key, or two, or one that does not fit, or one that is not used.
        OSError: it cannot be read.
    """
    secret, public = config.jwt_secret, config.jwt_public_key
    if config.auth == "none":
        if secret is not None or public is not None or config.jwt_audience:
            raise ValueError("jwt_secret, jwt_public_key and jwt_audience need auth='jwt'")
        return anybody
    if secret is not None and public is None:
        return TokenVerifier.from_file(secret, "HS256", config.jwt_leeway, config.jwt_audience)
    if public is not None and secret is None:
        return TokenVerifier.from_file(public, "RS256", config.jwt_leeway, config.jwt_audience)
    raise ValueError("auth='jwt' needs a file: either jwt_secret or jwt_public_key")


def read_metrics_token(config: ServerConfig) -> bytes | None:
    """The token for ``/metrics``; the newline at the end of its file does not belong to it.

    Raises:
        ValueError: the file is empty.
        OSError: it cannot be read.
    """
    if config.metrics_token is None:
        return None
    token = Path(config.metrics_token).read_bytes().rstrip(b"\r\n")
    if not token:
        raise ValueError(f"metrics_token: there is no token in {config.metrics_token}")
    return token
