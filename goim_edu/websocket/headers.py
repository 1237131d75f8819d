"""The header fields of a request or response, as a value (RFC 9110 §5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["Headers"]


class Headers:
    """HTTP header fields: any case finds them, and their order and spelling are kept.

    A field that comes several times reads as one list, joined by ", " (RFC 9110 §5.3);
    ``get_all`` gives its lines one by one. Iterating gives the ``(name, value)`` pairs as sent.

    Args:
        fields: the pairs in order.

    Raises:
        TypeError: they are not pairs.

    >>> headers = Headers([("Host", "example.com"), ("Via", "1.1 a"), ("via", "1.1 b")])
    >>> headers["HOST"], headers["Via"], headers.get_all("VIA")
    ('example.com', '1.1 a, 1.1 b', ['1.1 a', '1.1 b'])
    """

    __slots__ = ("_fields", "_index", "_repeated")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        try:
            self._fields = tuple(fields)
            index = self._index = {name.lower(): value for name, value in self._fields}
        except (AttributeError, TypeError, ValueError):
            raise TypeError(f"fields are pairs of name and value, not {fields!r}") from None
        self._repeated = len(index) != len(self._fields)
        if self._repeated:
            lines: dict[str, list[str]] = {name: [] for name in index}
            for name, value in self._fields:
                lines[name.lower()].append(value)
            index.update((name, ", ".join(values)) for name, values in lines.items())

    def get_all(self, name: str) -> list[str]:
        """Every line of this name, in order; an empty list if there is none."""
        key = name.lower()
        return [value for field, value in self._fields if field.lower() == key]

    def get(self, name: str, default: str = "") -> str:
        """The value of this name, lines joined by ", ", or the default."""
        return self._index.get(name.lower(), default)

    def count(self, name: str) -> int:
        """How many lines carry this name."""
        if self._repeated:
            return len(self.get_all(name))
        return int(name.lower() in self._index)

    def has_any(self, names: frozenset[str]) -> bool:
        """Whether one of these names is there; they are in lower case."""
        return not names.isdisjoint(self._index)

    def has_token(self, name: str, token: str) -> bool:
        """Whether the comma list of this name holds the token, given in lower case."""
        value = self.get(name).lower()
        return value == token or token in (item.strip(" \t") for item in value.split(","))

    def __getitem__(self, name: str) -> str:
        return self._index[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._index

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        return f"Headers({list(self._fields)!r})"
