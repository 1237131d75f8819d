// The people in a room: those that this page knows by name, and the list of them.

import { avatar, make } from "./messages.js";
import { printableName } from "./printable.js";
import { counted } from "./words.js";

const DRAW_EVERY_MS = 250; // a crowd that comes in is drawn so often at most
const collator = new Intl.Collator("en");

/** The users of a room. Of a big one the server names a part; the others come in pages, when asked for. */
export class People {
  constructor(me) {
    this.me = me; // in every room that I am in, whatever part of the others is known
    this.names = new Set();
    this.count = 0; // of all, as the server says
    this.after = ""; // up to here the pages have come
    this.version = 0; // changes whenever anything does
  }

  /** Begin anew with the names that came with `joined`, the first ones in the order of the server. */
  reset(names, count) {
    this.names = new Set([this.me, ...names]);
    this.after = names.length < count ? (names.at(-1) ?? "") : "";
    this.#counted(count);
  }

  /** The server's word on who came and who left. Returns who of them was not here, and who was. */
  change({ joined, left, member_count }) {
    const came = joined.filter((name) => !this.names.has(name));
    const went = left.filter((name) => this.names.has(name));
    for (const name of came) this.names.add(name);
    for (const name of went) this.names.delete(name);
    this.#counted(member_count);
    return { came, went };
  }

  /** A page of them, in the order of the server. Returns whether any of them is new. */
  addPage(names, count, after = "") {
    const news = names.some((name) => !this.names.has(name));
    if (!after) this.names = new Set([this.me]); // others may have left unnamed
    for (const name of names) this.names.add(name);
    this.after = names.at(-1) ?? "";
    this.#counted(count);
    return news;
  }

  /** How many are here without being known by name. */
  get unnamed() {
    return Math.max(0, this.count - this.names.size);
  }

  #counted(count) {
    this.count = count;
    this.version += 1;
  }
}

/** The list on the page. It is drawn when somebody came or left, and only there. */
export class PeopleList {
  constructor(node, more) {
    this.node = node;
    this.more = more; // the button that asks for further names
    this.rows = new Map(); // name -> list item
    this.people = null; // that were drawn, at this version
    this.version = 0;
    this.timer = 0;
    this.next = 0; // when it may be drawn again
  }

  /** Show these people: now, or as soon as the last drawing is old enough. */
  show(people) {
    clearTimeout(this.timer);
    const other = this.people !== people;
    if (!other && this.version === people.version) return;
    const wait = other ? 0 : this.next - Date.now();
    if (wait > 0) this.timer = setTimeout(() => this.show(people), wait);
    else this.#draw(people, other);
  }

  #draw(people, other) {
    Object.assign(this, { people, version: people.version, next: Date.now() + DRAW_EVERY_MS });
    if (other) {
      this.rows.clear();
      this.node.replaceChildren();
    }
    for (const [name, row] of this.rows) {
      if (people.names.has(name)) continue;
      row.remove();
      this.rows.delete(name);
    }
    let at = this.node.firstElementChild;
    for (const name of [...people.names].sort(collator.compare)) {
      const row = this.rows.get(name) ?? this.#row(name, name === people.me);
      if (row === at) at = at.nextElementSibling;
      else this.node.insertBefore(row, at);
    }
    this.more.hidden = people.unnamed === 0;
    this.more.textContent = `and ${counted(people.unnamed, "other", "others")}: show more`;
  }

  #row(name, mine) {
    const you = mine ? make("span", { className: "you", textContent: "you" }) : null;
    const person = make("span", { className: "person", textContent: printableName(name), dir: "auto" });
    const row = make("li", {}, avatar(name), person, you);
    this.rows.set(name, row);
    return row;
  }
}
