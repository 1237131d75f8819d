// What the page knows: the messages of each room in the order of seq, and what is still to be sent.

import { People } from "./people.js";

const KEPT_MESSAGES = 1200; // of one room in memory; what is cut off comes back by scrolling up
const MOST_MESSAGES = 3 * KEPT_MESSAGES; // while somebody reads the earlier ones
const TYPING_MS = 5_000; // a user who wrote so long ago has stopped
const RETRY_MS = { first: 1_000, longest: 15_000 };

/** A room as this page sees it. */
export class Room {
  /** `me` is the name of the user. */
  constructor(id, me) {
    this.id = id;
    this.state = "new"; // new | joining | joined | refused
    this.refusal = "";
    this.messages = []; // without gaps from the first one on, ascending by seq
    this.seqs = new Set();
    this.resumeAt = null; // every message up to here has come; null before the first
    this.floor = 0; // after a jump: older ones come by history only, so that no gap opens
    this.loaded = false; // the newest page of the history is here
    this.loading = false;
    this.hasMore = false;
    this.behind = false; // the newest were cut off or not taken, because the user reads far above
    this.unread = 0;
    this.firstUnread = null; // seq of the first message that came while the user was away
    this.people = new People(me);
    this.typing = new Map(); // user -> when it stops to count
    this.readBy = new Map(); // user -> seq
    this.readTo = 0; // what the server knows that I have read
    this.draft = "";
  }

  get lowest() {
    return this.messages[0]?.seq ?? null;
  }

  get highest() {
    return this.messages.at(-1)?.seq ?? 0;
  }

  /** A message that the server pushed. Returns whether it is new to this room. */
  push(message) {
    if (message.seq <= this.floor) return false;
    this.resumeAt = Math.max(this.resumeAt ?? 0, message.seq);
    this.typing.delete(message.user_id);
    return !this.behind && this.#insert(message);
  }

  /**
   * My own message, known from its `ack`. It does not move `resumeAt`: messages of others with a
   * lower seq may still be on their way. Returns whether it is new to this room.
   */
  acknowledge(message) {
    const belowWhatIsShown = this.loaded && this.lowest !== null && message.seq < this.lowest;
    if (message.seq <= this.floor || belowWhatIsShown) return false;
    return this.#insert(message);
  }

  /** A page of the history. Returns the messages in it that are new to this room. */
  addHistory(messages, hasMore, newest) {
    this.loading = false;
    this.hasMore = hasMore;
    if (newest) {
      this.loaded = true;
      this.resumeAt = Math.max(this.resumeAt ?? 0, messages.at(-1)?.seq ?? 0);
    }
    return messages.filter((message) => this.#insert(message));
  }

  /** Too much was missed: start anew from the end, the rest comes by scrolling up. */
  jump(lastSeq) {
    this.messages = [];
    this.seqs.clear();
    this.floor = lastSeq;
    this.resumeAt = lastSeq;
    this.loaded = false;
    this.hasMore = true;
    this.behind = false;
  }

  /** The store has lost this room (it was in memory only): its numbers begin anew. */
  forget() {
    this.jump(0);
    this.resumeAt = null;
    this.hasMore = false;
    this.readTo = 0;
    this.readBy.clear();
  }

  /** Whether this number was another message before: the store has begun anew. */
  contradicts(message) {
    if (!this.seqs.has(message.seq)) return false;
    const known = this.messages.find(({ seq }) => seq === message.seq);
    return known.client_msg_id !== message.client_msg_id;
  }

  /** Forget the oldest if there are many. Returns whether any were forgotten. */
  trim() {
    const surplus = this.messages.length - KEPT_MESSAGES;
    if (surplus <= 0) return false;
    for (const { seq } of this.messages.splice(0, surplus + KEPT_MESSAGES / 4)) {
      this.seqs.delete(seq);
    }
    this.hasMore = true;
    return true;
  }

  /** Forget the newest if there are very many. Returns whether any were forgotten. */
  cutEnd() {
    if (this.messages.length <= MOST_MESSAGES) return false;
    for (const { seq } of this.messages.splice(MOST_MESSAGES)) this.seqs.delete(seq);
    this.behind = true;
    return true;
  }

  noteTyping(user) {
    this.typing.set(user, Date.now() + TYPING_MS);
  }

  /** The users who are writing now. */
  typists(now = Date.now()) {
    for (const [user, until] of this.typing) if (until <= now) this.typing.delete(user);
    return [...this.typing.keys()];
  }

  #insert(message) {
    if (this.seqs.has(message.seq)) return false;
    this.seqs.add(message.seq);
    let at = this.messages.length;
    while (at > 0 && this.messages[at - 1].seq > message.seq) at -= 1;
    this.messages.splice(at, 0, message);
    return true;
  }
}

/** A key that is unique; `crypto.randomUUID` exists on https and localhost only. */
function freshKey() {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(random, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

/**
 * Messages that are not yet stored, oldest first; kept over a reload.
 *
 * An item: {client_msg_id, room_id, user_id, text, typedAt, state, why, tries, ...} with the state
 *   queued   waits for a connection, or for its turn
 *   sent     is on its way, not acknowledged
 *   held     the server could not take it now; it goes again at `again`
 *   failed   the server will never take it; the user decides
 */
export class Outbox {
  constructor(storage) {
    this.storage = storage;
    this.items = [];
    this.pauseUntil = 0;
    this.pauses = 0;
  }

  /** Take up what an earlier life of this tab has left for `user`. */
  load(user) {
    const left = this.storage.read("goim.outbox") ?? [];
    this.items = left
      .filter((item) => item.user_id === user)
      .map((item) => ({ ...item, state: item.state === "failed" ? "failed" : "queued" }));
    return this.items;
  }

  add(user_id, room_id, text) {
    const item = {
      client_msg_id: freshKey(),
      user_id,
      room_id,
      text,
      created_at: new Date().toISOString(),
      typedAt: performance.now(),
      state: "queued",
      why: "",
      tries: 0,
    };
    this.items.push(item);
    this.save();
    return item;
  }

  find(client_msg_id) {
    return this.items.find((item) => item.client_msg_id === client_msg_id);
  }

  remove(client_msg_id) {
    const item = this.find(client_msg_id);
    this.items = this.items.filter((other) => other !== item);
    this.save();
    return item;
  }

  /**
   * What may go now: of each room the oldest, if it is not on its way.
   *
   * The next one waits for its ack. If two were on their way, the server could refuse the first and
   * store the second, or a lost connection leave the second only; then they would change places.
   */
  next(joined, now = Date.now()) {
    if (now < this.pauseUntil) return [];
    const oldest = new Map();
    for (const item of this.items) {
      if (item.state !== "failed" && !oldest.has(item.room_id)) oldest.set(item.room_id, item);
    }
    return [...oldest.values()].filter((item) => item.state !== "sent" && joined(item.room_id));
  }

  /** The connection is gone: what has no answer is sent again, under the same key. */
  disconnected() {
    for (const item of this.items) if (item.state === "sent") item.state = "queued";
    this.pauseUntil = 0;
    return this.items;
  }

  /** The server could not take it now. Returns after how many milliseconds to go on. */
  hold(item, why) {
    Object.assign(item, { state: "held", why });
    const wait = Math.min(RETRY_MS.longest, RETRY_MS.first * 2 ** this.pauses++);
    this.pauseUntil = Date.now() + wait;
    return wait;
  }

  /** Something was stored again: the next trouble starts with a short pause. */
  recovered() {
    this.pauses = 0;
  }

  fail(item, why) {
    Object.assign(item, { state: "failed", why });
    this.save();
  }

  save() {
    const kept = this.items.map(({ client_msg_id, user_id, room_id, text, created_at, state, why }) => {
      return { client_msg_id, user_id, room_id, text, created_at, state, why, tries: 0 };
    });
    this.storage.write("goim.outbox", kept);
  }
}

/**
 * JSON in the storage of this tab; works, forgetfully, where the browser forbids storage.
 *
 * All pages of an origin share it. Behind a proxy several chats may stand below paths of one origin,
 * and none may get another's token or messages: so below a path its name belongs to each key.
 */
export class TabStorage {
  folder = new URL(".", document.baseURI).pathname.slice(0, -1);

  read(key) {
    try {
      return JSON.parse(sessionStorage.getItem(key + this.folder));
    } catch {
      return null;
    }
  }

  write(key, value) {
    try {
      sessionStorage.setItem(key + this.folder, JSON.stringify(value));
      this.forgetful = false;
    } catch {
      this.forgetful = true; // full or forbidden: the page goes on, a reload starts anew
    }
  }
}
