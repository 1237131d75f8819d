"""Text that shows every character: an escape in place of what has no shape of its own.

``printable.js`` beside this file is the same rule for browsers; a test holds the two equal.
"""

from __future__ import annotations

import re
from typing import Final
from unicodedata import category

__all__ = ["printable", "printable_message", "printable_name", "quoted"]

_PLAIN_NAME: Final = re.compile(r"[!-~]+(?: [!-~]+)*")
_PLAIN_TEXT: Final = re.compile(r"[ -~\n\t]*")

# Python calls them printable, and most fonts draw nothing: the grapheme joiner, fillers of Hangul
# and other scripts, vowels that are never written, the blank of Braille, blank signs.
_BLANK: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U00013441\U00013442\U00016fe4\U0001d159"
)
_SELECTORS: Final = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_JOINERS: Final = ("\u200c", "\u200d")  # zero width non-joiner, zero width joiner

# The scripts in which a joiner changes how the letter before it is written: Arabic and its
# relatives, those of India and South East Asia, Mongolian, Adlam.
_JOINING: Final = re.compile(
    "[\u0600-\u0dff\u0f00-\u109f\u1780-\u18af\u1900-\u1cff\ua800-\uabff"
    "\ufb50-\ufdff\ufe70-\ufefc\U00010a00-\U00011fff\U0001e900-\U0001e95f]"
)

# The three flags that are spelled with tags: England, Scotland, Wales.
_FLAG: Final = re.compile(
    "(\U0001f3f4\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067"
    "|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)\U000e007f)"
)
_MOST_MARKS: Final = 8  # above and below one letter; no script in use needs more


def printable(text: str, keep: str = "") -> str:
    r"""Return ``text`` so that it can only be read, with escapes as Python writes them.

    A terminal obeys escape sequences from any sender: they can move the cursor, forge lines, or
    change the window's title. XML 1.0 has no place for most control characters. Some others
    turn the direction of writing, and an invisible byte teaches nothing.

    Args:
        text: any text.
        keep: characters that stay as they are.

    >>> print(printable("a\r\n\0"))
    a\r\n\x00
    """
    if text.isprintable() and _BLANK.isdisjoint(text):
        return text
    return "".join(
        character if _is_seen(character) or character in keep else _escape(character)
        for character in text
    )


def printable_name(text: str) -> str:
    r"""Return the name of a user or a room so that nothing in it hides.

    Every character that cannot be seen becomes an escape: controls, line feeds, marks of direction,
    joiners, blanks, spaces at an end or twice, combining marks without a letter.

    Args:
        text: any text.

    >>> print(printable_name("ad\u200bmin\n"), printable_name("lisa "), printable_name("Zoë 🦊"))
    ad\u200bmin\n lisa\x20 Zoë 🦊
    """
    if _PLAIN_NAME.fullmatch(text):
        return text
    return "".join(_marked(text, message=False))


def printable_message(text: str) -> str:
    r"""Return the text of a message so that it can only be read, in every script.

    Line feeds, tabs and spaces stay, joiners where letters or emoji need them, and a selector of
    variants after the character that it belongs to. Everything else is as in a name.

    Args:
        text: any text.

    >>> print(printable_message("two\nlines, \x1b[31m 👩‍👧"))
    two
    lines, \x1b[31m 👩‍👧
    """
    if _PLAIN_TEXT.fullmatch(text):
        return text
    pieces = _FLAG.split(text)  # every second piece is a flag
    return "".join(
        piece if at % 2 else _marked(piece, message=True) for at, piece in enumerate(pieces)
    )


def quoted(name: str, most: int = 64) -> str:
    r"""Return a name as it stands in a line of a log: between quotes, and not endless.

    Args:
        name: of a user or a room, as a stranger chose it.
        most: characters that are written, 1 or more.

    >>> print(quoted("eve' level=CRITICAL\nforged"), quoted("y" * 250, most=5))
    'eve\' level=CRITICAL\nforged' 'yyyyy…'
    """
    shown = printable_name(name)
    cut = shown if len(shown) <= most else f"{shown[:most]}…"
    return "'" + cut.replace("'", r"\'") + "'"


def _marked(text: str, *, message: bool) -> str:
    """Return ``text`` with an escape for each character that may not stay as it is."""
    out = []
    before, marks = "", 0  # the character before if it stayed; the marks on the last letter
    for at, character in enumerate(text):
        if category(character).startswith("M"):
            marks += 1
        elif character not in _JOINERS:
            marks = 0
        stays = _stays(before, character, text[at + 1 : at + 2], message=message)
        if marks and (not before.strip() or marks > _MOST_MARKS):
            stays = False  # nothing to stand on, or a pile of them over the lines around
        before = character if stays else ""
        out.append(character if stays else _escape(character))
    return "".join(out)


def _stays(before: str, character: str, after: str, *, message: bool) -> bool:
    """Whether a character between these two is seen, or needed by its neighbours."""
    if _SELECTORS.match(character):
        if message:
            return _is_base(before)
        return character in "\ufe0e\ufe0f" and bool(before) and category(before) == "So"
    if character in _JOINERS:
        return message and (bool(_JOINING.match(before)) or _joins_emoji(before, character, after))
    if character == " ":
        return message or (before not in ("", " ") and after != "")
    if message and (character in "\n\t" or category(character) == "Zs"):
        return True
    return _is_seen(character)


def _is_seen(character: str) -> bool:
    return character.isprintable() and character not in _BLANK


def _is_base(character: str) -> bool:
    """Whether it is a letter, a number, a punctuation mark or a symbol."""
    return bool(character) and category(character)[0] in "LNPS"


def _joins_emoji(before: str, character: str, after: str) -> bool:
    """Whether a joiner stands between two emoji (UTS #51, ED-16)."""
    if character != "\u200d" or not (before and after):
        return False
    skin = "\U0001f3fb" <= before <= "\U0001f3ff"
    first = skin or before == "\ufe0f" or category(before) == "So"
    return first and (category(after) == "So" or after in "\u2194\u2195")


def _escape(character: str) -> str:
    return r"\x20" if character == " " else character.encode("unicode_escape").decode()
