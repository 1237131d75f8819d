// The link to the server: one WebSocket after another, with jittered backoff and a watchdog.

import { closeWords } from "./words.js";

export const SUBPROTOCOL = "goim.v1.json";

const BACKOFF_MS = { first: 400, longest: 20_000, flooded: 8_000 };
const OPEN_TIMEOUT_MS = 10_000; // from dialling to welcome
const ANSWER_TIMEOUT_MS = 12_000; // a request is unanswered and not one octet has come meanwhile
const IDLE_PROBE_MS = 30_000; // after so long without an octet, ask for something
const STEADY_MS = 5_000; // a connection that lived so long resets the backoff
const NO_NETWORK = "the browser has no network";
const REFUSED = "the server is there, but no WebSocket comes about; its log says why";
const ANSWERED = new Set(["hello", "join", "send", "history", "members", "leave"]);
const MAX_REFS = 500; // requests without an answer that are remembered, for a late `error`

/** How long to wait before attempt number `attempt` (0, 1, ...): doubled each time, half of it random. */
export function backoff(attempt, random = Math.random()) {
  const ceiling = Math.min(BACKOFF_MS.longest, BACKOFF_MS.first * 2 ** attempt);
  return Math.round(ceiling * (0.5 + random / 2));
}

const utf8 = new TextEncoder();

function parse(text) {
  try {
    const message = JSON.parse(text);
    return message !== null && typeof message === "object" ? message : null;
  } catch {
    return null;
  }
}

/**
 * A connection that comes back.
 *
 * Events (CustomEvent, see `detail`):
 *   state   {state, why, retryAt}  state: connecting | online | waiting | stopped
 *   answer  {message, request, took}  every message of the server; `request` is what it answers,
 *           if it carries a ref of ours, `took` the milliseconds between
 *   wire    {kind: sent|received|event, ...}  what the inspector shows
 *   probe   nothing came for long: the owner sends some request that is answered
 */
export class Link extends EventTarget {
  constructor(url) {
    super();
    this.url = url;
    this.state = "stopped";
    this.why = "";
    this.retryAt = 0;
    this.attempt = 0;
    this.connections = 0;
    this.socket = null;
    this.awaited = new Map(); // ref -> {type, at, fields}: requests that will be answered
    this.silent = new Map(); // ref -> the same, for requests that are answered only by an error
    this.counter = 0;
    window.addEventListener("online", () => this.retryNow());
    window.addEventListener("offline", () => this.#give(NO_NETWORK));
    window.addEventListener("pageshow", (event) => event.persisted && this.retryNow());
    document.addEventListener("visibilitychange", () => this.#returned());
    setInterval(() => this.#watch(), 1000);
  }

  /** Dial, and say `hello` once connected. */
  start(hello) {
    this.hello = hello;
    this.attempt = 0;
    this.#dial();
  }

  /** Close for good, until `start` is called again. */
  stop(why = "") {
    const socket = this.#detach();
    socket?.close(1000);
    this.#become("stopped", why);
  }

  /** Do not wait for the next attempt. */
  retryNow() {
    if (this.state === "waiting") this.#dial();
  }

  /**
   * Send a request.
   *
   * Returns {ref, at, octets}, or null when there is no connection: nothing was sent then.
   */
  request(type, fields = {}) {
    if (this.state !== "online" && type !== "hello") return null;
    if (this.socket?.readyState !== WebSocket.OPEN) return null;
    const ref = `r${++this.counter}`;
    const text = JSON.stringify({ type, ref, ...fields });
    const request = { type, ref, fields, at: performance.now(), octets: utf8.encode(text).length };
    const refs = ANSWERED.has(type) ? this.awaited : this.silent;
    refs.set(ref, request);
    if (refs.size > MAX_REFS) refs.delete(refs.keys().next().value);
    this.socket.send(text);
    this.#tell("wire", { kind: "sent", type, text, octets: request.octets });
    return request;
  }

  /** What the WebSocket knows of itself, for the inspector. */
  facts() {
    return {
      url: this.url,
      subprotocol: this.socket?.protocol ?? "",
      extensions: this.socket?.extensions ?? "",
      buffered: this.socket?.bufferedAmount ?? 0,
      openedAt: this.openedAt,
      connections: this.connections,
    };
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #become(state, why = "", retryAt = 0) {
    Object.assign(this, { state, why, retryAt });
    this.#tell("state", { state, why, retryAt });
  }

  #event(type, words) {
    this.#tell("wire", { kind: "event", type, text: words, octets: 0 });
  }

  #detach() {
    const socket = this.socket;
    clearTimeout(this.timer);
    this.socket = null;
    this.awaited.clear();
    this.silent.clear();
    return socket;
  }

  #dial() {
    this.#detach()?.close();
    this.#become("connecting");
    this.dialledAt = performance.now();
    const socket = new WebSocket(this.url, SUBPROTOCOL);
    this.socket = socket;
    const current = (act) => (event) => this.socket === socket && act(event);
    socket.addEventListener("open", current(() => this.#opened()));
    socket.addEventListener("message", current((event) => this.#received(event.data)));
    socket.addEventListener("close", current((event) => this.#closed(event)));
  }

  #opened() {
    this.openedAt = new Date();
    this.lastHeard = performance.now();
    this.connections += 1;
    this.#event("open", `connected to ${this.url}`);
    this.request("hello", this.hello());
  }

  #received(text) {
    const now = performance.now();
    this.lastHeard = now;
    const message = parse(text);
    if (!message) {
      this.#event("error", "the server sent a message that is not a JSON object");
      return;
    }
    const request = this.awaited.get(message.ref) ?? this.silent.get(message.ref);
    this.awaited.delete(message.ref);
    this.silent.delete(message.ref);
    const took = request ? now - request.at : null;
    const octets = utf8.encode(text).length;
    this.#tell("wire", { kind: "received", type: message.type, text, octets, took });
    if (message.type === "welcome") {
      this.welcomedAt = now;
      this.#become("online");
    }
    if (message.type === "draining") this.nextDelay = message.reconnect_after_ms;
    this.#tell("answer", { message, request, took });
  }

  #closed({ code, reason }) {
    const why = closeWords(code, reason);
    const refused = this.state === "connecting" && code === 1006;
    this.#event("close", refused ? "no connection came about (1006)" : why);
    if (code === 4401) {
      this.stop(why);
      return;
    }
    if (code === 4429) this.nextDelay = Math.max(this.nextDelay ?? 0, BACKOFF_MS.flooded);
    const nobody = navigator.onLine ? "the server does not answer" : NO_NETWORK;
    this.#give(refused ? nobody : why);
    if (refused) this.#askWhy();
  }

  /** A browser hides why no WebSocket came about; plain HTTP shows whether the server is there. */
  async #askWhy() {
    const attempt = this.attempt;
    try {
      const { ok, status } = await fetch("icon.svg", { method: "HEAD", cache: "no-store" });
      const words = ok ? REFUSED : `the server cannot answer now (${status})`;
      if (this.state === "waiting" && this.attempt === attempt) this.#become("waiting", words, this.retryAt);
    } catch {
      // then it does not answer, as we have said
    }
  }

  /** Leave this socket alone and wait for the next attempt. */
  #give(why) {
    if (this.state === "stopped" || this.state === "waiting") return;
    const lived = this.state === "online" ? performance.now() - this.welcomedAt : 0;
    if (lived > STEADY_MS) this.attempt = 0;
    this.#detach()?.close();
    const jittered = backoff(this.attempt++);
    const delay = this.nextDelay === undefined ? jittered : this.nextDelay + jittered;
    this.nextDelay = undefined;
    this.#event("wait", `next attempt in ${(delay / 1000).toFixed(1)} s`);
    this.#become("waiting", why, Date.now() + delay);
    this.timer = setTimeout(() => this.#dial(), delay);
  }

  /** Called once a second: is the server still there? The browser does not show us its pings. */
  #watch() {
    const now = performance.now();
    if (this.state === "connecting" && now - this.dialledAt > OPEN_TIMEOUT_MS) {
      this.#give("the server does not answer");
    }
    if (this.state !== "online") return;
    const oldest = this.awaited.values().next().value;
    const quiet = now - this.lastHeard;
    if (oldest && now - oldest.at > ANSWER_TIMEOUT_MS && quiet > ANSWER_TIMEOUT_MS) {
      this.#give("the server has gone silent");
    } else if (!oldest && quiet > IDLE_PROBE_MS && !document.hidden) {
      this.#tell("probe", {});
    }
  }

  #returned() {
    if (document.hidden) return;
    this.retryNow();
    if (this.state === "online" && performance.now() - this.lastHeard > 5_000) {
      this.#tell("probe", {});
    }
  }
}
