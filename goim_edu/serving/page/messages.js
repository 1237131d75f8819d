// The list of messages of one room: keeps the DOM in the order of seq. User text is textContent only.

import { printableMessage, printableName } from "./printable.js";
import { clock, dayWords, hueOf, initial } from "./words.js";

const PENDING = 1e15; // order of what has no seq yet: below everything that is stored
const GROUP_MS = 5 * 60_000; // messages of one author within this time stand under one name

const STATE_WORDS = {
  queued: "waiting for the connection",
  sent: "sending",
  held: "waiting for the database",
  stored: "stored",
  failed: "not sent",
};

/** Make an element with properties, attributes (`data-…`, `aria-…`) and children. */
export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** The round picture of a user: one letter, one of eight colours. */
export function avatar(user) {
  return make("span", {
    className: `avatar hue-${hueOf(user)}`,
    textContent: initial(user),
    "aria-hidden": "true",
  });
}

/** Messages of a room as list items, stored ones by seq, then those that wait. */
export class MessageList {
  /** `me()` names the user; `act(what, client_msg_id)` is called for "retry" and "discard". */
  constructor(room, me, act) {
    this.room = room;
    this.me = me;
    this.act = act;
    this.node = make("ol", { className: "messages" });
    this.pending = new Map(); // client_msg_id -> list item
  }

  get size() {
    return this.node.childElementCount;
  }

  /** Show a stored message, or turn my waiting one into it. */
  addStored(message) {
    const own = message.user_id === this.me();
    const waiting = own ? this.pending.get(message.client_msg_id) : undefined;
    this.pending.delete(message.client_msg_id);
    const item = waiting ?? this.#build(message, own);
    item.dataset.seq = message.seq;
    item.dataset.order = message.seq;
    item.dataset.at = Date.parse(message.created_at);
    this.#setState(item, "stored");
    item.querySelector(".seq").textContent = `#${message.seq}`;
    item.querySelector("time").textContent = clock(new Date(message.created_at));
    item.querySelector("time").dateTime = message.created_at;
    item.querySelector(".text").textContent = printableMessage(message.text);
    this.#place(item);
    return item;
  }

  /** Show an item of the outbox, or its new state. */
  addPending(entry) {
    let item = this.pending.get(entry.client_msg_id);
    if (!item) {
      item = this.#build(entry, true);
      item.dataset.order = PENDING + this.node.childElementCount;
      item.dataset.at = Date.parse(entry.created_at);
      this.pending.set(entry.client_msg_id, item);
      this.#place(item);
    }
    this.#setState(item, entry.state, entry.why);
    return item;
  }

  removePending(client_msg_id) {
    const item = this.pending.get(client_msg_id);
    this.pending.delete(client_msg_id);
    this.#remove(item);
  }

  /** The stored item that shows this message of mine, if it is here. */
  find(client_msg_id) {
    return [...this.node.children].find((item) => item.dataset.key === client_msg_id);
  }

  /** Forget what stands before `seq`. */
  cutBefore(seq) {
    while (this.node.firstElementChild && Number(this.node.firstElementChild.dataset.order) < seq) {
      this.node.firstElementChild.remove();
    }
    this.#tidy(this.node.firstElementChild);
  }

  /** Forget what was stored behind `seq`. */
  cutAfter(seq) {
    for (const item of [...this.node.children]) if (Number(item.dataset.seq) > seq) item.remove();
    this.#tidy(this.node.lastElementChild);
  }

  clearStored() {
    for (const item of [...this.node.children]) if (item.dataset.seq) item.remove();
    this.#tidy(this.node.firstElementChild);
  }

  /** Draw the line "new" above the message with this seq, or nowhere. */
  markUnread(seq) {
    this.node.querySelector(".unread-mark")?.remove();
    const item = seq === null ? null : this.node.querySelector(`[data-seq="${Number(seq)}"]`);
    item?.querySelector(".avatar").before(make("p", { className: "unread-mark", textContent: "New" }));
    if (item) this.#tidy(item);
  }

  /** Name the readers under the last message of mine that they have read. */
  showReaders(readBy) {
    for (const old of this.node.querySelectorAll(".readers")) old.remove();
    const own = [...this.node.querySelectorAll(".own[data-seq]")].at(-1);
    if (!own) return;
    const names = [...readBy]
      .filter(([user, seq]) => user !== this.me() && seq >= Number(own.dataset.seq))
      .map(([user]) => user);
    if (names.length === 0) return;
    const text = `read by ${names.length > 3 ? names.length : names.map(printableName).join(", ")}`;
    own.querySelector(".meta").append(make("span", { className: "readers", textContent: text }));
  }

  #build({ user_id, text, client_msg_id, created_at }, own) {
    const item = make(
      "li",
      { className: `message ${own ? "own" : ""}`, "data-key": client_msg_id, "data-user": user_id },
      avatar(user_id),
      make(
        "div",
        { className: "bubble" },
        make("p", { className: "author", textContent: own ? "You" : printableName(user_id), dir: "auto" }),
        make("span", { className: "text", textContent: printableMessage(text), dir: "auto" }),
        make(
          "p",
          { className: "meta" },
          make("time", { textContent: clock(new Date(created_at)), dateTime: created_at }),
          make("span", { className: "seq", title: "its number in this room (seq)" }),
          own ? make("span", { className: "state" }) : null,
        ),
      ),
    );
    return item;
  }

  #setState(item, state, why = "") {
    if (item.dataset.state === state && !why) return;
    item.dataset.state = state;
    const words = item.querySelector(".state");
    if (words) words.textContent = why && state === "failed" ? why : STATE_WORDS[state];
    item.querySelector(".actions")?.remove();
    if (state === "failed") item.querySelector(".bubble").append(this.#actions(item.dataset.key));
  }

  #actions(key) {
    const button = (what, label) => {
      const node = make("button", { type: "button", className: "link-button", textContent: label });
      node.addEventListener("click", () => this.act(what, key));
      return node;
    };
    return make(
      "p",
      { className: "actions" },
      button("retry", "Try again"),
      button("edit", "Edit"),
      button("discard", "Discard"),
    );
  }

  #place(item) {
    const order = Number(item.dataset.order);
    const oldNeighbour = item.nextElementSibling;
    let before = this.node.lastElementChild;
    while (before && (before === item || Number(before.dataset.order) > order)) {
      before = before.previousElementSibling;
    }
    const wanted = before ? before.nextElementSibling : this.node.firstElementChild;
    if (wanted !== item) this.node.insertBefore(item, wanted);
    this.#tidy(item);
    this.#tidy(item.nextElementSibling);
    this.#tidy(oldNeighbour);
  }

  #remove(item) {
    const next = item?.nextElementSibling;
    item?.remove();
    this.#tidy(next);
  }

  /** Set what depends on the neighbour above: the day, and whether the name is shown again. */
  #tidy(item) {
    if (!item?.isConnected && item?.parentNode !== this.node) return;
    const above = item.previousElementSibling;
    const at = new Date(Number(item.dataset.at));
    const aboveAt = above && new Date(Number(above.dataset.at));
    const newDay = !above || at.toDateString() !== aboveAt.toDateString();
    const line = item.querySelector(".day");
    if (newDay && !line) item.prepend(make("p", { className: "day", textContent: dayWords(at) }));
    if (!newDay) line?.remove();
    const sameAuthor = !newDay && above.dataset.user === item.dataset.user;
    const close = sameAuthor && Math.abs(at - aboveAt) < GROUP_MS && !item.querySelector(".unread-mark");
    item.classList.toggle("continued", close);
  }
}
