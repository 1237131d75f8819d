"""Text that shows every character: in Python and, by the same rule, in browsers."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim_edu import printable as module
from goim_edu.printable import printable, printable_message, printable_name
from tests.conftest import require

TWIN = Path(module.__file__).with_suffix(".js")

HIDDEN_IN_NAMES = {
    "line feed": "root\n12:00 admin: hello",
    "tab": "a\tb",
    "escape": "a\x1b[31m",
    "C1": "a\x9b31m",
    "nul": "a\0",
    "delete": "a\x7f",
    "override": "a\u202egnp.exe",
    "isolate": "a\u2066b",
    "right-to-left mark": "a\u200fb",
    "left-to-right mark": "a\u200e",
    "Arabic letter mark": "a\u061c",
    "zero width space": "ad\u200bmin",
    "non-joiner": "ad\u200cmin",
    "joiner": "ad\u200dmin",
    "word joiner": "ad\u2060min",
    "byte order mark": "\ufeffadmin",
    "soft hyphen": "ad\xadmin",
    "tags": "a\U000e0068\U000e0069",
    "selector after a letter": "a\ufe0fdmin",
    "selectors in a row": "❤\ufe0f\ufe0f",
    "ideographic selector": "葛\U000e0100",
    "Mongolian selector": "a\u180b",
    "grapheme joiner": "a\u034fb",
    "Hangul filler": "\u3164",
    "half-width filler": "a\uffa0",
    "choseong filler": "\u115f\u1160",
    "Braille blank": "\u2800",
    "no-break space": "a\xa0b",
    "ideographic space": "\u3000",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029",
    "combining mark alone": "\u0301abc",
    "combining mark after a space": "a \u0301",
    "a pile of marks": "Z" + "\u0301" * 300,
    "space before": " lisa",
    "space after": "lisa ",
    "two spaces": "li  sa",
    "only a space": " ",
    "private use": "a\ue000",
    "interlinear annotation": "a\ufff9b",
    "musical blank": "\U0001d159",
    "invisible times": "a\u2062b",
}
PLAIN_NAMES = [
    "lisa",
    "Zoë",
    "李雷",
    "ali reza",
    "a-b_c.d",
    "🦊",
    "Ada ❤\ufe0f",
    "e\u0301va",
    "สมชาย",
    "अनिल",
    "عمر",
]
WHOLE_MESSAGES = {
    "family": "👨\u200d👩\u200d👧\u200d👦",
    "skin tone": "👩🏽\u200d🚀",
    "rainbow": "🏳\ufe0f\u200d🌈",
    "nods": "🙂\u200d↕\ufe0f",
    "keycap": "1\ufe0f\u20e3",
    "Scotland": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "Persian": "می\u200cخواهم کتاب\u200cها",
    "Hindi": "क्\u200dष क्\u200cष",
    "Malayalam": "ന്\u200d",
    "Sinhala": "ශ්\u200dරී",
    "Japanese variant": "葛\U000e0100城",
    "French": "Quoi\u202f? «\xa0oui\xa0»",
    "Chinese": "早上好！\u3000你好",
    "Vietnamese": "Tie\u0302\u0301ng Vie\u0323\u0302t",
    "lines and tabs": "def f():\n\treturn  1\n",
    "Hebrew": "שָׁלוֹם",
}
HIDDEN_IN_MESSAGES = {
    "escape": "\x1b]0;title\x07",
    "carriage return": "hello\rFORGED",
    "override": "abc\u202egnp.exe",
    "joiner in Latin": "ad\u200dmin",
    "joiner between a letter and an emoji": "a\u200d👧",
    "two joiners": "ی\u200c\u200c",
    "joiner at the end": "👩\u200d",
    "tags": "a\U000e0068\U000e0069",
    "tags after a flag": "🏴\U000e0068\U000e0069\U000e007f",
    "selectors in a row": "😀\U000e0101\U000e0102",
    "a pile of marks": "Z" + "\u0301" * 300,
    "Hangul filler": "\u3164",
}


@given(st.text())
def test_printable_text_fits_into_xml(content: str) -> None:
    assert printable(content).isprintable()


def test_printable_text_has_no_blank_that_is_a_letter() -> None:
    assert printable("a\u3164\u2800b") == r"a\u3164\u2800b"


@pytest.mark.parametrize("name", HIDDEN_IN_NAMES.values(), ids=HIDDEN_IN_NAMES)
def test_a_name_hides_nothing(name: str) -> None:
    shown = printable_name(name)
    assert shown != name
    assert "\\" in shown
    assert shown.isprintable()


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_a_name_in_any_script_stays_as_it_is(name: str) -> None:
    assert printable_name(name) == name


@given(st.text(), st.text())
def test_a_shown_name_is_one_line_without_an_invisible_end(one: str, other: str) -> None:
    shown = printable_name(f"{one}\u200b{other}")
    assert shown.isprintable()
    assert shown == shown.strip()
    assert r"\u200b" in shown


@pytest.mark.parametrize("text", WHOLE_MESSAGES.values(), ids=WHOLE_MESSAGES)
def test_a_message_in_any_script_stays_as_it_is(text: str) -> None:
    assert printable_message(text) == text


@pytest.mark.parametrize("text", HIDDEN_IN_MESSAGES.values(), ids=HIDDEN_IN_MESSAGES)
def test_a_message_hides_nothing(text: str) -> None:
    assert "\\" in printable_message(text)


# ------------------------------------------------------------------ the twin


def in_javascript(function: str, texts: list[str]) -> list[str]:
    """What ``printable.js`` makes of these texts."""
    node = shutil.which("node")
    require(node, "node", "apt install nodejs")
    script = (
        f"import {{ {function} as rule }} from {json.dumps(TWIN.as_uri())};"
        "let told = ''; for await (const part of process.stdin.setEncoding('utf8')) told += part;"
        "process.stdout.write(JSON.stringify(JSON.parse(told).map(rule)));"
    )
    done = subprocess.run(
        [str(node), "--input-type=module", "--no-warnings", "-e", script],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = json.loads(done.stdout)
    return found


def in_javascript_assigned() -> set[int]:
    """The code points that the Unicode of node knows."""
    script = (
        "const out = []; for (let i = 0; i < 0x110000; i++)"
        "if (!/\\p{Cn}/u.test(String.fromCodePoint(i))) out.push(i);"
        "process.stdout.write(JSON.stringify(out));"
    )
    done = subprocess.run(
        [str(shutil.which("node")), "-e", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_the_twin_knows_the_same_characters() -> None:
    """Alone, between letters, and after a symbol; of those that both versions of Unicode know."""
    require(shutil.which("node"), "node", "apt install nodejs")
    known = in_javascript_assigned()
    kinds = {c: unicodedata.category(c) for c in map(chr, sorted(known))}
    # All but plain letters, which are tried by sample.
    skipped = {c for c, kind in kinds.items() if kind in ("Co", "Lo") and ord(c) % 97}
    skipped -= set("\u115f\u1160\u3164\uffa0\U00013441\U00013442\ue000\U0010fffd")
    tried = [c for c, kind in kinds.items() if kind != "Cn" and c not in skipped]
    assert len(tried) > 10_000
    texts = [text for c in tried for text in (c, f"a{c}b", f"☀{c}☀", f"{c}\u200da")]
    assert in_javascript("printableName", texts) == [printable_name(text) for text in texts]
    assert in_javascript("printableMessage", texts) == [printable_message(text) for text in texts]


def test_the_twin_judges_neighbours_in_the_same_way() -> None:
    dice = random.Random(14)
    odd = "\u200c\u200d\ufe0f\ufe0e\U000e0101\u0301\u0301 \n\t\u00a0\u202e\u3164\ud800"
    odd += "a1#☀👧🏽↔یक्ന葛🏴"
    flag = WHOLE_MESSAGES["Scotland"]
    texts = ["".join(dice.choices([*odd, flag], k=dice.randint(1, 12))) for _ in range(20_000)]
    texts += [*HIDDEN_IN_NAMES.values(), *WHOLE_MESSAGES.values(), *HIDDEN_IN_MESSAGES.values(), ""]
    assert in_javascript("printableName", texts) == [printable_name(text) for text in texts]
    assert in_javascript("printableMessage", texts) == [printable_message(text) for text in texts]
