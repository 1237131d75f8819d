"""Draw a picture of your own, in the style of the others: which close codes have come how often.

    python own_picture.py > codes.svg

A ``Picture`` shows itself in a notebook, in light and dark; ``alt`` says in words what it shows.
"""

from collections.abc import Mapping

from goim_edu.draw import OKABE_ITO, Picture


def close_codes(counts: Mapping[int, int]) -> Picture:
    """Draw a bar for each close code, as long as it came often."""
    most = max(counts.values(), default=1)
    markup = ""
    for row, (code, count) in enumerate(sorted(counts.items())):
        y = 20 + 30 * row
        width = 300 * count / most
        markup += f'<text class="t" x="10" y="{y + 15}">{code}</text>'
        markup += f'<rect x="60" y="{y}" width="{width}" height="20" fill="{OKABE_ITO["blue"]}"/>'
        markup += f'<text class="t" x="{70 + width}" y="{y + 15}">{count}</text>'
    said = ", ".join(f"{code}: {count}" for code, count in sorted(counts.items()))
    return Picture(
        markup,
        420,
        40 + 30 * len(counts),
        title="Close codes",
        alt=f"How often each close code came: {said}.",
        fields=[{"code": code, "count": count} for code, count in sorted(counts.items())],
    )


if __name__ == "__main__":
    print(close_codes({1000: 17, 1001: 4, 1006: 2}).svg("light"))
