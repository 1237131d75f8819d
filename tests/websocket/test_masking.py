"""Masking: each way against the sentence of the RFC, octet by octet."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import goim_edu.websocket.masking
from goim_edu.errors import LocalProtocolError
from goim_edu.websocket.masking import (
    apply_mask,
    have_numpy,
    mask_in_place,
    mask_to_view,
    unmask_many,
)
from tests.strategies import KEYS

SIZES = st.one_of(st.integers(0, 40), st.integers(710, 730), st.integers(4090, 4110))


@pytest.fixture(params=["numpy", "no numpy"])
def numpy_or_not(request: pytest.FixtureRequest) -> Iterator[bool]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "no numpy":
            patch.setattr(goim_edu.websocket.masking, "_numpy", lambda: None)
        yield request.param == "numpy"


def by_octet(payload: bytes, key: bytes) -> bytes:
    """RFC 6455 §5.3, word by word: octet i XOR octet i modulo 4 of the key."""
    return bytes(octet ^ key[i % 4] for i, octet in enumerate(payload))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SIZES, KEYS, st.integers(0, 255))
def test_each_way_does_what_the_rfc_says(
    numpy_or_not: bool, size: int, key: bytes, start: int
) -> None:
    assert have_numpy() == numpy_or_not
    payload = bytes((start + i * 7) % 256 for i in range(size))
    masked = by_octet(payload, key)
    assert apply_mask(payload, key) == masked
    assert apply_mask(memoryview(payload), key) == masked
    assert bytes(mask_to_view(payload, key)) == masked
    place = bytearray(payload)
    mask_in_place(place, key)
    assert place == masked
    assert apply_mask(masked, key) == payload


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SIZES, KEYS, st.integers(0, 20))
@pytest.mark.usefixtures("numpy_or_not")
def test_a_payload_within_other_octets(size: int, key: bytes, start: int) -> None:
    octets = bytes(i % 251 for i in range(start + size))
    place = bytearray(octets)
    mask_in_place(memoryview(place), key, start)
    assert place[start:] == by_octet(octets[start:], key)
    assert place[: max(0, start - 7)] == octets[: max(0, start - 7)]
    mask_in_place(place, key, start)
    assert place == octets


def test_numpy_may_be_missing() -> None:
    without = "import sys; sys.modules['numpy'] = None"
    code = f"{without}; from goim_edu.websocket.masking import have_numpy; print(have_numpy())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


@given(st.lists(st.tuples(st.integers(0, 30), KEYS, st.booleans()), min_size=1, max_size=30))
def test_many_payloads_at_once(frames: list[tuple[int, bytes, bool]]) -> None:
    data, places, payloads = b"", [], []
    for size, key, long in frames:
        payload = bytes(range(100, 100 + size))
        data += (b"\x81\xfe\x00\x00" if long else b"\x81\x80") + key
        places.append(len(data))
        payloads.append(payload)
        data += by_octet(payload, key)
    octets = unmask_many(data, places).tobytes()
    found = [octets[place : place + len(p)] for place, p in zip(places, payloads, strict=True)]
    assert found == payloads


@pytest.mark.parametrize("key", [b"", b"123", b"12345"])
def test_a_key_has_four_octets(key: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        apply_mask(b"Hello", key)
    with pytest.raises(LocalProtocolError):
        mask_in_place(bytearray(5), key)
