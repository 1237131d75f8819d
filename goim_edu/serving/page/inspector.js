// The drawer "What is going on": each message on the wire, the way of the last one, the connection.

import { make } from "./messages.js";
import { printableMessage, printableName } from "./printable.js";
import { duration, hintFor, octets, preciseClock } from "./words.js";

const KEPT = 200; // messages on the wire that are remembered
const SAMPLES = 60; // round trips that are remembered
const STEPS = ["typed", "left", "stored", "shown"];

const byId = (id) => document.getElementById(id);

/** How long the head of a frame is and what it begins with (RFC 6455 §5.2), if not compressed. */
export function frameHead(payload, masked) {
  const bit = masked ? 0x80 : 0;
  const head = [0x81]; // FIN and opcode 1, text
  if (payload < 126) head.push(bit | payload);
  else if (payload < 65_536) head.push(bit | 126, payload >> 8, payload & 255);
  else {
    const wide = new DataView(new ArrayBuffer(8));
    wide.setBigUint64(0, BigInt(payload));
    head.push(bit | 127, ...new Uint8Array(wide.buffer));
  }
  return { octets: head, size: head.length + (masked ? 4 : 0) };
}

const hex = (values) => values.map((value) => value.toString(16).padStart(2, "0")).join(" ");

/** The middle value of some numbers. */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Numbers as a line in a picture of that size; the highest is near the top, 0 at the bottom. */
function curve(values, width, height) {
  const all = values.length === 1 ? [values[0], values[0]] : values;
  const highest = Math.max(...all) * 1.1;
  const points = all.map((value, index) => {
    const x = (width * index) / (all.length - 1);
    const y = height - 2 - ((height - 4) * value) / highest;
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", points.join(" "));
  line.setAttribute("vector-effect", "non-scaling-stroke");
  return line;
}

/** What a message is about, in a few words, for its line in the list. */
function summary({ kind, text }) {
  if (kind === "event") return text;
  const { type, ref, ...fields } = JSON.parse(text);
  const told = fields.text ?? fields.reason ?? fields.room_id ?? fields.user_id ?? fields.session_id;
  const seq = fields.seq === undefined ? "" : `#${fields.seq} `;
  const many = fields.messages ? `${fields.messages.length} messages, ` : "";
  return `${seq}${many}${typeof told === "string" ? printableName(told) : ""}`;
}

/** The drawer. It is told everything, and draws only while it is open. */
export class Inspector {
  constructor() {
    this.node = byId("inspector");
    this.lines = []; // oldest first
    this.totals = { sent: { count: 0, octets: 0 }, received: { count: 0, octets: 0 } };
    this.trips = [];
    this.way = null;
    this.paused = false;
    this.facts = () => [];
    this.brief = () => "";
    this.compressed = () => false;
    byId("frames-pause").addEventListener("click", () => this.#pause());
    byId("frames-clear").addEventListener("click", () => this.#clear());
    setInterval(() => this.open && this.#drawFacts(), 1000);
  }

  get open() {
    return !this.node.hidden;
  }

  /** Show or hide the drawer. */
  toggle(open) {
    this.node.hidden = !open;
    if (open) this.#drawAll();
  }

  /** One message on the wire, or an event of the connection; see Link's `wire`. */
  record(line) {
    const stamped = { ...line, at: new Date() };
    this.lines.push(stamped);
    if (this.lines.length > KEPT) this.lines.shift();
    if (line.kind !== "event") {
      this.totals[line.kind].count += 1;
      this.totals[line.kind].octets += line.octets;
    }
    if (this.open && !this.paused) this.#prepend(stamped);
  }

  /** A round trip of a message: from `send` to its `ack`, in milliseconds. */
  addTrip(ms) {
    this.trips.push(ms);
    if (this.trips.length > SAMPLES) this.trips.shift();
    if (this.open) this.#drawTrips();
  }

  /** The last message of mine has come as far as `step`; `facts` are kept with it. */
  follow(key, step, facts = {}) {
    if (step === "typed") this.way = { key, tries: 0, times: {} };
    if (this.way?.key !== key) return;
    Object.assign(this.way, facts);
    if (step === "left") this.way.tries += 1;
    if (step !== "left" || !this.way.times.left) this.way.times[step] ??= performance.now();
    if (this.open) this.#drawWay();
  }

  #drawAll() {
    byId("frames").replaceChildren();
    for (const line of this.lines) this.#prepend(line);
    this.#drawFacts();
    this.#drawTrips();
    this.#drawWay();
  }

  #pause() {
    this.paused = !this.paused;
    byId("frames-pause").setAttribute("aria-pressed", String(this.paused));
    byId("frames-pause").textContent = this.paused ? "Go on" : "Pause";
    if (!this.paused) this.#drawAll();
  }

  #clear() {
    this.lines = [];
    byId("frames").replaceChildren();
  }

  #prepend(line) {
    const list = byId("frames");
    list.prepend(this.#line(line));
    while (list.childElementCount > KEPT) list.lastElementChild.remove();
  }

  #line(line) {
    const arrow = { sent: "↑", received: "↓", event: "•" }[line.kind];
    const detail = make("div", { className: "frame-detail", hidden: true });
    const button = make(
      "button",
      { type: "button", className: `frame ${line.kind}`, "aria-expanded": "false" },
      make("span", { className: `arrow ${line.kind}`, textContent: arrow, "aria-hidden": "true" }),
      make("span", { className: "visually-hidden", textContent: `${line.kind}: ` }),
      make("span", { className: "frame-type", textContent: line.type, "data-type": line.type }),
      make("span", { className: "frame-summary", textContent: summary(line), dir: "auto" }),
      make("span", { className: "frame-size", textContent: line.octets ? octets(line.octets) : "" }),
    );
    button.addEventListener("click", () => {
      detail.hidden = !detail.hidden;
      button.setAttribute("aria-expanded", String(!detail.hidden));
      if (!detail.hidden && !detail.childElementCount) detail.append(...this.#detail(line));
    });
    return make("li", { "data-kind": line.kind }, button, detail);
  }

  #detail(line) {
    const took = line.took ? `, ${duration(line.took)} after its request` : "";
    const parts = [
      make("p", { className: "hint", textContent: hintFor(line.type) }),
      make("p", { className: "frame-time", textContent: `${preciseClock(line.at)}${took}` }),
    ];
    if (line.kind === "event") {
      return [...parts, make("p", { textContent: line.text })];
    }
    return [
      ...parts,
      make("p", { className: "frame-octets", textContent: this.#frameWords(line) }),
      make("pre", { textContent: printableMessage(JSON.stringify(JSON.parse(line.text), null, 2)), tabIndex: 0 }),
    ];
  }

  #frameWords({ kind, octets: payload }) {
    const masked = kind === "sent";
    const head = frameHead(payload, masked);
    const key = masked ? " + 4 of mask key" : "";
    const plain =
      `${payload} octets of payload + ${head.octets.length} of header${key} = ` +
      `${payload + head.size}; the frame begins with ${hex(head.octets)}.`;
    if (!this.compressed()) return plain;
    return (
      `Without compression: ${plain} ` +
      "With permessage-deflate fewer travel; the browser does not tell how many."
    );
  }

  #drawFacts() {
    const { sent, received } = this.totals;
    const rows = [
      ...this.facts(),
      ["Sent", `${sent.count.toLocaleString("en")} messages, ${octets(sent.octets)}`],
      ["Received", `${received.count.toLocaleString("en")} messages, ${octets(received.octets)}`],
    ];
    const nodes = rows.flatMap(([name, value]) => [
      make("dt", { textContent: name }),
      make("dd", { textContent: value, dir: "auto" }),
    ]);
    byId("facts-summary").textContent = this.brief();
    const text = JSON.stringify(rows);
    if (text !== this.drawnFacts) byId("facts").replaceChildren(...nodes);
    this.drawnFacts = text;
  }

  #drawTrips() {
    const { trips } = this;
    byId("rtt").hidden = trips.length === 0;
    if (trips.length === 0) return;
    const words =
      `There and back, the database included: last ${duration(trips.at(-1))}, ` +
      `median ${duration(median(trips))}, fastest ${duration(Math.min(...trips))}.`;
    byId("rtt-text").textContent = words;
    byId("rtt-line").setAttribute("aria-label", words);
    byId("rtt-line").replaceChildren(curve(trips, 240, 44));
  }

  #drawWay() {
    byId("way-empty").hidden = this.way !== null;
    byId("way").hidden = this.way === null;
    if (this.way === null) return;
    const { times } = this.way;
    const items = STEPS.map((step) => {
      const done = times[step] !== undefined;
      const since = times.typed !== undefined && step !== "typed" && done;
      return make(
        "li",
        { className: done ? "done" : "open", "data-step": step },
        make("span", { className: "way-words", textContent: this.#wayWords(step, done) }),
        make("span", {
          className: "way-time",
          textContent: since ? `+${duration(times[step] - times.typed)}` : "",
        }),
      );
    });
    byId("way").replaceChildren(...items);
  }

  #wayWords(step, done) {
    const way = this.way;
    switch (step) {
      case "typed":
        return `You pressed Enter. The page gave the message a key: ${way.key.slice(0, 8)}…`;
      case "left": {
        if (!done) return "It waits for a connection.";
        const again = way.tries > 1 ? ` Sent ${way.tries} times, always under the same key.` : "";
        return `It left the browser as a text frame with ${octets(way.octets)} of payload.${again}`;
      }
      case "stored": {
        if (way.failure) return `Not stored: ${way.failure}`;
        if (!done) return "Not yet stored: no ack has come.";
        const twice = way.duplicate ? " It was there already: the key was known." : "";
        return `The database has it as number ${way.seq} of the room; the server sent the ack.${twice}`;
      }
      default:
        return done
          ? "Everybody in the room got it, and so did you."
          : "Not yet delivered to the room.";
    }
  }
}
