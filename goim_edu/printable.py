"""Text that shows every character: an escape in place of what has no shape of its own."""

from __future__ import annotations

from typing import Final

__all__ = ["CHAT_TEXT", "printable"]

# What people write in a chat though Python calls it unprintable: line feeds, the joiners of
# emoji and Persian, the spaces of French and Chinese.
CHAT_TEXT: Final = "\n\u200c\u200d\u00a0\u3000"


def printable(text: str, keep: str = "") -> str:
    r"""Return ``text`` so that it can only be read, with escapes as Python writes them.

    A terminal obeys escape sequences from any sender: they can move the cursor, forge lines, or
    change the window's title. XML 1.0 has no place for most control characters. Some others
    turn the direction of writing, and an invisible byte teaches nothing.

    Args:
        text: any text.
        keep: characters that stay as they are, such as :data:`CHAT_TEXT`.

    >>> print(printable("a\r\n\0"))
    a\r\n\x00
    >>> print(printable("two\nlines, \x1b[31m", keep=CHAT_TEXT))
    two
    lines, \x1b[31m
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in keep else repr(character)[1:-1]
        for character in text
    )
