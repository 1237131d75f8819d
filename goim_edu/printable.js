// Text that shows every character: the rule of `printable.py`, for browsers. A test holds the two equal.

const PLAIN_NAME = /^[!-~]+(?: [!-~]+)*$/;
const PLAIN_TEXT = /^[ -~\n\t]*$/;
const UNSEEN = /[\p{C}\p{Z}]/u; // what Python calls not printable, and the space
const BLANK = /[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u{13441}\u{13442}\u{16fe4}\u{1d159}]/u;
const SELECTOR = /[\u180b-\u180d\u180f\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/u;
const JOINER = /[\u200c\u200d]/;
const JOINING = // the scripts in which a joiner changes how the letter before it is written
  /[\u0600-\u0dff\u0f00-\u109f\u1780-\u18af\u1900-\u1cff\ua800-\uabff\ufb50-\ufdff\ufe70-\ufefc\u{10a00}-\u{11fff}\u{1e900}-\u{1e95f}]/u;
const FLAG = // of England, Scotland and Wales, which are spelled with tags
  /(\u{1f3f4}\u{e0067}\u{e0062}(?:\u{e0065}\u{e006e}\u{e0067}|\u{e0073}\u{e0063}\u{e0074}|\u{e0077}\u{e006c}\u{e0073})\u{e007f})/u;
const MOST_MARKS = 8; // above and below one letter; no script in use needs more
const SHORT = { "\t": "\\t", "\n": "\\n", "\r": "\\r" };

/** The name of a user or a room, with an escape for every character that cannot be seen. */
export function printableName(text) {
  return PLAIN_NAME.test(text) ? text : marked(text, false);
}

/** The text of a message: lines, tabs and spaces stay, and joiners where letters or emoji need them. */
export function printableMessage(text) {
  if (PLAIN_TEXT.test(text)) return text;
  const pieces = text.split(FLAG); // every second piece is a flag
  return pieces.map((piece, at) => (at % 2 ? piece : marked(piece, true))).join("");
}

function marked(text, message) {
  const characters = [...text];
  let before = ""; // the character before, if it stayed
  let marks = 0; // on the last letter
  let out = "";
  characters.forEach((character, at) => {
    if (/\p{M}/u.test(character)) marks += 1;
    else if (!JOINER.test(character)) marks = 0;
    // Nothing to stand on, or a pile of them over the lines around.
    const stray = marks > 0 && (!before.trim() || marks > MOST_MARKS);
    const stays = !stray && staysBetween(before, character, characters[at + 1] ?? "", message);
    before = stays ? character : "";
    out += stays ? character : escapeOf(character);
  });
  return out;
}

/** Whether a character is seen, or needed by its neighbours. */
function staysBetween(before, character, after, message) {
  if (SELECTOR.test(character)) {
    if (message) return /[\p{L}\p{N}\p{P}\p{S}]/u.test(before);
    return /[\ufe0e\ufe0f]/.test(character) && /\p{So}/u.test(before);
  }
  if (JOINER.test(character)) {
    return message && (JOINING.test(before) || joinsEmoji(before, character, after));
  }
  if (character === " ") return message || (before !== "" && before !== " " && after !== "");
  if (message && /[\n\t\p{Zs}]/u.test(character)) return true;
  return !UNSEEN.test(character) && !BLANK.test(character);
}

/** Whether a joiner stands between two emoji (UTS #51, ED-16). */
function joinsEmoji(before, character, after) {
  const first = /[\u{1f3fb}-\u{1f3ff}\ufe0f\p{So}]/u.test(before);
  return character === "\u200d" && first && /[\u2194\u2195\p{So}]/u.test(after);
}

/** As Python writes it. */
function escapeOf(character) {
  if (SHORT[character]) return SHORT[character];
  const code = character.codePointAt(0);
  const [letter, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return `\\${letter}${code.toString(16).padStart(digits, "0")}`;
}
