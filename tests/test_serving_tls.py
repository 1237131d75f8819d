"""The certificate of a server: its dates are told, and a new one is taken while it runs."""

from __future__ import annotations

import asyncio
import logging
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from goim_edu.client import connect
from goim_edu.serving.tls import Certificate, date_faults
from tests.chatting import run, running_server

AUTHORITY = trustme.CA()
NOW = datetime.now(UTC)


class Files:
    """The two files that a server is given."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key = folder / "chain.pem", folder / "key.pem"
        self.write(AUTHORITY.issue_cert("localhost"))

    def write(self, cert: trustme.LeafCert, key: trustme.LeafCert | None = None) -> None:
        self.cert.write_bytes(b"".join(blob.bytes() for blob in cert.cert_chain_pems))
        self.key.write_bytes((key or cert).private_key_pem.bytes())


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


async def serial_of(port: int) -> int:
    """The serial number of the certificate that a new client is shown."""
    _, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=trusting(), server_hostname="localhost"
    )
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return x509.load_der_x509_certificate(shown).serial_number


def test_a_renewed_certificate_is_shown_to_those_who_come(files: Files) -> None:
    async def test() -> None:
        async with running_server(tls_cert=files.cert, tls_key=files.key) as server:
            uri = f"wss://localhost:{server.port}/echo"
            async with connect(uri, ssl=trusting()) as ws:
                old = await serial_of(server.port)
                files.write(AUTHORITY.issue_cert("localhost", common_name="renewed"))
                assert await serial_of(server.port) == old  # nobody has asked yet
                server.certificate.renew()
                assert await serial_of(server.port) != old
                await ws.send("goes on")
                assert await ws.recv() == "goes on"

    run(test())


BAD = {
    "garbage": lambda files: files.cert.write_text("garbage"),
    "empty": lambda files: files.cert.write_text(""),
    "gone": lambda files: files.key.unlink(),
    "a folder": lambda files: (files.key.unlink(), files.key.mkdir()),
    "of two pairs": lambda files: files.write(
        AUTHORITY.issue_cert("localhost"), AUTHORITY.issue_cert("localhost")
    ),
    "locked": lambda files: files.key.write_bytes(
        load_pem_private_key(files.key.read_bytes(), None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"locked")
        )
    ),
}


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD)
def test_a_bad_one_is_told_and_the_old_one_stays(
    spoil: object, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with running_server(tls_cert=files.cert, tls_key=files.key) as server:
            old = await serial_of(server.port)
            spoil(files)  # type: ignore[operator]
            server.certificate.renew()
            assert [record.levelname for record in caplog.records] == ["ERROR"]
            assert "old one stays" in caplog.text
            assert str(files.cert.parent) in caplog.text
            assert await serial_of(server.port) == old
            if files.key.is_dir():
                files.key.rmdir()
            files.write(AUTHORITY.issue_cert("localhost"))
            server.certificate.renew()
            assert await serial_of(server.port) != old

    with caplog.at_level(logging.WARNING):
        run(test())


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD)
def test_a_bad_one_is_refused_at_start(spoil: object, files: Files) -> None:
    spoil(files)  # type: ignore[operator]
    with pytest.raises((OSError, ValueError)) as refused:
        Certificate(files.cert, files.key)
    assert str(files.cert.parent) in str(refused.value)


def test_without_tls_there_is_nothing_to_renew() -> None:
    certificate = Certificate(None, None)
    certificate.warn_of_dates()
    certificate.renew()
    assert certificate.context is None


def issued(begin: timedelta, end: timedelta) -> trustme.LeafCert:
    return AUTHORITY.issue_cert("localhost", not_before=NOW + begin, not_after=NOW + end)


@pytest.mark.parametrize(
    ("begin", "end", "fault"),
    [
        (timedelta(days=-9), timedelta(days=-2), "has expired at"),
        (timedelta(days=2), timedelta(days=9), "is not valid before"),
        (timedelta(days=-9), timedelta(days=9), ""),
    ],
)
def test_dates_are_told_at_start_and_after_renewal(
    begin: timedelta, end: timedelta, fault: str, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    files.write(issued(begin, end))

    async def test() -> None:
        async with running_server(tls_cert=files.cert, tls_key=files.key) as server:
            server.certificate.renew()

    with caplog.at_level(logging.WARNING, "goim_edu.server"):
        run(test())
    lines = [record.getMessage() for record in caplog.records if "certificate" in record.message]
    assert len(lines) == (2 if fault else 0)
    for line in lines:
        assert fault in line
        assert f"{NOW + (begin if 'before' in fault else end):%Y-%m-%d}" in line
        assert str(files.cert) in line


def test_each_certificate_of_a_chain_is_judged() -> None:
    good = issued(timedelta(days=-9), timedelta(days=9)).cert_chain_pems[0].bytes()
    old = issued(timedelta(days=-9), timedelta(days=-2)).cert_chain_pems[0].bytes()
    assert len(list(date_faults(good + old + good))) == 1
    assert len(list(date_faults(good + old, NOW + timedelta(days=99)))) == 2
    assert list(date_faults(b"-----BEGIN TRUSTED CERTIFICATE-----")) == []
