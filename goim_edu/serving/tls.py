"""The server's certificate: read, judged by its dates, and taken anew while the server runs."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from goim_edu.errors import MissingExtra, needs_extra

__all__ = ["Certificate", "date_faults"]

log = logging.getLogger("goim_edu.server")


class Certificate:
    """The certificate of a server and its key, as files and as TLS uses them.

    Args:
        cert: file with the certificate chain, PEM; None for no TLS.
        key: file with its key, PEM.

    Attributes:
        context: the TLS of the server, or None.

    Raises:
        ValueError: only one of the two files is named, or the key is locked by a password.
        OSError: one of them cannot be read, or they do not fit.
    """

    def __init__(self, cert: str | Path | None, key: str | Path | None) -> None:
        if (cert is None) != (key is None):
            raise ValueError("TLS needs both a certificate (tls_cert) and its key (tls_key)")
        self._files = None if cert is None or key is None else (Path(cert), Path(key))
        self.context = None if self._files is None else _make_context(*self._files)

    def warn_of_dates(self) -> None:
        """Log a warning for each certificate of the chain that is not valid now."""
        if self._files is None:
            return
        try:
            for fault in date_faults(self._files[0].read_bytes()):
                log.warning("certificate file=%s fault=%r", self._files[0], fault)
        except MissingExtra as error:
            log.info("certificate file=%s dates not checked why=%r", self._files[0], str(error))

    def renew(self) -> None:
        """Read both files anew, for the handshakes to come; a fault is logged, the old pair stays.

        Connections that are open go on as they are.
        """
        if self._files is None or self.context is None:
            log.info("there is no certificate to be read anew")
            return
        try:
            _make_context(*self._files)  # a trial: a fault in between would leave half of a pair
            _load(self.context, *self._files)
        except (OSError, ValueError) as error:
            log.error("certificate not renewed, the old one stays why=%r", str(error))
            return
        log.info("certificate renewed file=%s", self._files[0])
        self.warn_of_dates()


def _make_context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path in (cert, key):
        with path.open("rb"):
            pass  # else the error would not say which of them cannot be read
    _load(context, cert, key)
    return context


def _load(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    def locked() -> str:  # without it OpenSSL would ask at the terminal, and wait
        raise ValueError(f"{key} is locked by a password: take a key without one")

    try:
        context.load_cert_chain(cert, key, locked)
    except ssl.SSLError as error:
        raise OSError(f"{cert} and {key} cannot be used for TLS: {error}") from None


def date_faults(chain: bytes, now: datetime | None = None) -> Iterator[str]:
    """Say which certificates of a chain are not valid yet, or no longer.

    Args:
        chain: the certificates, PEM.
        now: the time, with a time zone; default: the present.

    Raises:
        MissingExtra: cryptography is not installed; TLS itself works without it.
    """
    with needs_extra("jwt"):  # slow to import, and only TLS needs it
        from cryptography import x509

    now = now or datetime.now(UTC)
    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError:
        return  # TLS has read it, and that is what counts
    for one in certificates:
        begin, end, name = one.not_valid_before_utc, one.not_valid_after_utc, one.subject
        if now < begin:
            yield f"{name.rfc4514_string()} is not valid before {begin:%Y-%m-%d %H:%M} UTC"
        if end < now:
            yield f"{name.rfc4514_string()} has expired at {end:%Y-%m-%d %H:%M} UTC"
