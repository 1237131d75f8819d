"""A file that counts what is read of it."""

from __future__ import annotations

from goim_edu.lab import CountingFile


def test_only_what_is_read_is_counted() -> None:
    file = CountingFile(b"0123456789")
    assert (file.read(2), file.seek(5, 1), file.read(1)) == (b"01", 7, b"7")
    assert file.bytes_read == 3
    assert file.read(), "all that is left"
    assert file.read(4) == b"", "nothing is left"
    assert file.bytes_read == 5
