"""CountingFile: a file in memory that counts what is read of it."""

from __future__ import annotations

from io import BytesIO

__all__ = ["CountingFile"]


class CountingFile(BytesIO):
    """A file in memory that counts the bytes that are read; a jump with ``seek`` costs none.

    Not safe for several threads at once.

    Args:
        data: what the file holds.

    Attributes:
        bytes_read: how many bytes ``read`` has given so far; a byte read twice counts twice.

    >>> file = CountingFile(b"12345678")
    >>> file.read(1), file.seek(5, 1), file.read(1)
    (b'1', 6, b'7')
    >>> file.bytes_read
    2
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to ``size`` bytes, all that are left by default, and count them."""
        data = super().read(size)
        self.bytes_read += len(data)
        return data
