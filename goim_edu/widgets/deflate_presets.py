"""Series of messages to compress: what compression loves, what it hates, what needs a window."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Final

__all__ = ["PRESETS"]

_TALK: Final = [("ada", "Hello Lin!"), ("lin", "Hello Ada!"), ("ada", "Shall we meet at six?")]
_TALK_2: Final = [("lin", "At six, yes."), ("ada", "See you at six, Lin!")]
_LIST: Final = "; ".join(f"part {n}: {n * n * 7919 % 99_991} pieces" for n in range(1, 41))


def _said(seq: int, user: str, text: str) -> str:
    message = {"type": "message", "room_id": "lobby", "seq": seq, "user_id": user, "text": text}
    return json.dumps(message, separators=(",", ":"))


PRESETS: Final[dict[str, Sequence[str | bytes]]] = {
    "a chat in JSON": [_said(n, *said) for n, said in enumerate(_TALK + _TALK_2, 1)],
    "tick, again and again": ["tick", "tick", "tick tock", "tick tock tick tock", "tick"],
    "a long list, sent three times": [_LIST, _LIST, _LIST.replace("pieces", "items", 1)],
    "a chat in Chinese": ["你好！", "你好，琳！", "我们六点见面好吗？", "好的，六点见面。"],
    "octets without a pattern": [hashlib.sha256(b"%d" % n).digest() for n in range(4)],
}
"""By name; the long list repeats itself after more octets than a window of 9 bits holds."""
