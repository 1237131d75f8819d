// What the page says: sentences for errors, close codes and hints, and how times and sizes are written.

import { printableName } from "./printable.js";

/** Close codes in words (RFC 6455 §7.4.1, and the chat's own from 4000 on). */
const CLOSE_WORDS = {
  1000: "the connection was closed normally",
  1001: "the server is going away",
  1002: "the server found an error in our frames",
  1003: "the server does not take this kind of message",
  1005: "the connection was closed without a code",
  1006: "the connection broke off without a goodbye",
  1007: "the server could not read a message as UTF-8",
  1008: "the server refused for a reason of its own",
  1009: "a message was too big for the server",
  1011: "the server met an error of its own",
  1012: "the server is restarting",
  1013: "we read too slowly, or the server is too busy",
  4401: "the server does not accept this name or token",
  4408: "our hello came too late",
  4429: "we sent too much, too fast",
};

/** Error codes of the chat in words; the server's own reason is added to them. */
const ERROR_WORDS = {
  bad_message: "The server did not understand a message of this page",
  unauthenticated: "The server does not accept this name or token",
  forbidden: "You may not do this",
  not_joined: "You are not in this room",
  too_long: "This message is too long",
  rate_limited: "Too many messages at once",
  unavailable: "The database is not available, nothing was saved",
  room_full: "This room is full",
  internal: "The server made a mistake and does not know what became of this",
};

/** One sentence for learners on each type of message and event. */
const HINTS = {
  open: "The handshake is over: the server answered HTTP 101. From here on both sides send frames whenever they like.",
  close: "The connection has ended. 1006 never travels: the browser makes it up when no Close frame came.",
  wait: "Each failure doubles the pause, and half of it is random: a thousand pages must not all come back at once.",
  hello: "The first message, always: it says who I am. Without it the server closes with 4401 or 4408.",
  welcome: "The server knows us now. It tells its limits and how often it pings.",
  join: "Let me into a room. With “since” the server also sends what I missed after that number.",
  joined: "We are in. last_seq is the number of the newest stored message.",
  send: "client_msg_id is the page's own key. Sent again after a lost answer, the same key never makes a second message.",
  ack: "The database has it: seq is its place in the room. Only now does the page call it stored.",
  message: "Everybody in the room gets this, the sender too, in the order of seq.",
  history: "A page of stored messages. Scrolling up asks for those before the oldest that is shown.",
  members: "The people of a room in pages of 200, sorted by name.",
  presence: "The people who came into the room and those who left it, all of one moment.",
  typing: "Somebody is writing. This is never stored; losing one does no harm.",
  read: "How far a member of the room has read.",
  leave: "Let me out of a room.",
  left: "We are out.",
  draining: "The server is about to close in good order, and says when to come back.",
  error: "A request was refused, and nothing has changed. The connection goes on.",
};

/** Why a connection ended, as half a sentence. */
export function closeWords(code, reason = "") {
  const own = CLOSE_WORDS[code] ?? "the server closed the connection";
  return reason ? `${own} (${code}, “${printableName(reason)}”)` : `${own} (${code})`;
}

/** An `error` of the server as a sentence. */
export function errorWords({ code, reason }) {
  const own = ERROR_WORDS[code] ?? "The server refused";
  return reason ? `${own}: ${printableName(reason)}` : own;
}

/** The hint for a type of message or event; empty if there is none. */
export function hintFor(type) {
  return HINTS[type] ?? "";
}

/** A number of octets, exact: "1,234 B". */
export function octets(count) {
  return `${count.toLocaleString("en")} B`;
}

/** A duration in milliseconds: "0.4 ms", "12 ms", "3.2 s". */
export function duration(ms) {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** The time of day, "13:56". */
export function clock(date) {
  return date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

/** The time of day with milliseconds, "13:56:00.249". */
export function preciseClock(date) {
  const ms = String(date.getMilliseconds()).padStart(3, "0");
  return `${date.toLocaleTimeString("en-GB")}.${ms}`;
}

/** A day as people say it: "Today", "Yesterday", "Monday, 23 November 2026". */
export function dayWords(date, now = new Date()) {
  const midnight = (d) => new Date(d.getFullYear(), d.getMonth(), d.getDate());
  const days = Math.round((midnight(now) - midnight(date)) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return date.toLocaleDateString("en-GB", {
    weekday: "long",
    day: "numeric",
    month: "long",
    year: "numeric",
  });
}

/** "1 person", "3 people". */
export function counted(count, one, many) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** "lin", "lin and tom", "lin, tom and 3 others". */
export function listed(names) {
  const shown = names.slice(0, 3).map(printableName);
  if (names.length <= 2) return shown.join(" and ");
  const others = names.length - 2;
  return `${shown[0]}, ${shown[1]} and ${others === 1 ? shown[2] : `${others} others`}`;
}

/** The colour class of a name: always the same one for the same name, 0 to 7. */
export function hueOf(name) {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  return hash % 8;
}

/** The letter that stands for a name in its circle. */
export function initial(name) {
  return [...printableName(name)][0]?.toLocaleUpperCase() ?? "?";
}
