"""Bits in rows of 32: no hole, and what is left out is marked."""

from __future__ import annotations

from itertools import pairwise

from goim_edu.draw.bit_rows import BITS, DrawnField, boxes_in_row


def test_boxes_tile_a_field_without_holes() -> None:
    field = DrawnField("Payload data", 48, 200, bytewise=True)
    boxes = [box for row in range(8) for box in boxes_in_row([field], row)]
    assert boxes[0].start == 48
    assert all(one.start + one.width == other.start for one, other in pairwise(boxes))
    assert boxes[-1].start + boxes[-1].width == field.end
    assert all(box.start // BITS == (box.start + box.width - 1) // BITS for box in boxes)
