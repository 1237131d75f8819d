// The browser's side of ChatPanel: for each user a column with a WebSocket of its own.
// It speaks goim.v1.json (hello, join, history, send) straight to the chat server; where the browser
// cannot reach that, through a tunnel: then a client in the kernel speaks for it.

const SUBPROTOCOL = "goim.v1.json";
const RECONNECT_MS = [300, 1000, 3000, 10000];
const RESEND_MS = 1000;
const GONE = "the server is gone: run the cell again";
// Refusals that pass: nothing was stored, and the same message may be sent again.
const PASSING = ["unavailable", "rate_limited"];

class Column {
  constructor(model, user, index, onState, onMessage) {
    this.model = model;
    this.onState = onState;
    this.onMessage = onMessage;
    this.open = false;
    this.user = user;
    this.seen = new Set(); // seq numbers: history and live messages overlap
    this.attempt = 0;
    this.stopped = false;
    this.counter = 0;
    // client_msg_id -> {text, room_id, line, ref, due}, until the server has acknowledged it:
    // only an ack says that it is stored, so till then it is grey, and sent again if need be.
    this.waiting = new Map();
    this.build(index);
    this.connect();
  }

  build(index) {
    const name = printableName(this.user);
    this.state = make("span", { className: "goim-chat-state" });
    this.log = make("ol", { className: "goim-chat-log", tabIndex: 0 });
    // The list stays a list: what is read out as it grows is the box around it.
    this.live = make("div", { className: "goim-chat-live" }, this.log);
    this.live.setAttribute("role", "log");
    this.live.setAttribute("aria-label", `Messages that ${name} sees`);
    this.input = make("input", {
      type: "text",
      placeholder: "Type a message, press Enter",
      autocomplete: "off",
      maxLength: 4096,
    });
    this.input.setAttribute("aria-label", `Message from ${name}`);
    this.button = make("button", { type: "submit", className: "goim-main", textContent: "Send" });
    this.button.setAttribute("aria-label", `Send as ${name}`);
    const form = make("form", { className: "goim-chat-form" }, this.input, this.button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.input.value) this.send(this.input.value);
      this.input.value = "";
    });
    // JupyterLab has shortcuts on plain keys; what is typed here belongs to the chat alone.
    for (const kind of ["keydown", "keypress", "keyup"]) {
      form.addEventListener(kind, (event) => event.stopPropagation());
    }
    this.node = make(
      "section",
      { className: `goim-chat-column goim-chat-user-${index % 4}` },
      make("header", {}, make("b", { textContent: name }), this.state),
      this.live,
      form,
    );
    this.node.setAttribute("aria-label", `Chat of ${name}`);
    this.show("connecting");
  }

  show(state) {
    this.state.textContent = state;
    this.state.dataset.state = state;
    this.open = state === "connected";
    this.button.disabled = state === GONE; // while it reconnects, what is said waits here
    this.onState();
  }

  connect() {
    const socket = this.model.get("tunnelled")
      ? new Tunnel(this.model, this.subprotocols())
      : new WebSocket(this.model.get("url"), this.subprotocols());
    this.socket = socket;
    socket.addEventListener("open", () => this.request({ type: "hello", user_id: this.user }));
    socket.addEventListener("message", (event) => this.receive(JSON.parse(event.data)));
    socket.addEventListener("close", () => {
      if (this.stopped || this.socket !== socket) return;
      for (const entry of this.waiting.values()) entry.due = true;
      if (this.attempt < RECONNECT_MS.length) {
        this.show("reconnecting");
        this.timer = setTimeout(() => this.connect(), RECONNECT_MS[this.attempt++]);
      } else {
        this.show(GONE);
      }
    });
  }

  subprotocols() {
    const key = this.model.get("key"); // offered beside ours, never chosen: with it we are let in
    return key ? [SUBPROTOCOL, key] : [SUBPROTOCOL];
  }

  reconnect() {
    clearTimeout(this.timer);
    this.socket.close();
    this.seen.clear();
    for (const [id, entry] of this.waiting) {
      if (entry.room_id !== this.model.get("room")) this.waiting.delete(id);
      entry.due = true;
    }
    this.log.replaceChildren(...[...this.waiting.values()].map((entry) => entry.line));
    this.attempt = 0;
    this.show("connecting");
    this.connect();
  }

  request(message) {
    this.socket.send(JSON.stringify(message));
  }

  send(text, id = `${this.user}-${Date.now().toString(36)}-${this.counter++}`) {
    const line = this.bubble(this.user, text, "sending");
    line.classList.add("goim-chat-waiting");
    this.log.append(line);
    this.log.scrollTop = this.log.scrollHeight;
    const ref = `${this.counter++}`;
    this.waiting.set(id, { text, room_id: this.model.get("room"), line, ref, due: true });
    this.sendWaiting();
  }

  // Everything that is due, in the order in which it was said, each under the id it had at first.
  sendWaiting() {
    if (!this.open) return;
    for (const [client_msg_id, entry] of this.waiting) {
      if (!entry.due) continue;
      const { room_id, text, ref } = entry;
      this.request({ type: "send", room_id, client_msg_id, text, ref });
      entry.due = false;
    }
  }

  settle(id) {
    this.waiting.get(id)?.line.remove();
    this.waiting.delete(id);
  }

  refused({ code, reason, ref }) {
    const [id, entry] = [...this.waiting].find(([, one]) => one.ref === ref) ?? [];
    if (entry && PASSING.includes(code)) {
      entry.due = true;
      clearTimeout(this.again);
      this.again = setTimeout(() => this.sendWaiting(), RESEND_MS);
      return;
    }
    this.settle(id);
    this.note(`refused: ${printableMessage(reason)}`, "goim-chat-error");
  }

  receive(message) {
    const room_id = this.model.get("room");
    switch (message.type) {
      case "welcome":
        this.request({ type: "join", room_id });
        break;
      case "joined":
        this.attempt = 0;
        this.request({ type: "history", room_id, limit: 50 });
        this.show("connected");
        this.sendWaiting();
        break;
      case "ack": {
        const said = this.waiting.get(message.client_msg_id);
        if (said) this.add({ ...message, user_id: this.user, text: said.text });
        break;
      }
      case "history":
        for (const earlier of message.messages) this.add(earlier);
        break;
      case "message":
        this.add(message);
        break;
      case "presence":
        this.noteMoves(message.joined, "joined");
        this.noteMoves(message.left, "left");
        break;
      case "error":
        this.refused(message);
        break;
      case "draining":
        this.note("the server is closing");
        break;
    }
  }

  bubble(user_id, text, when) {
    return make(
      "li",
      { className: user_id === this.user ? "goim-chat-own" : "" },
      make("b", { textContent: printableName(user_id) }),
      make("span", { className: "goim-chat-text", textContent: printableMessage(text) }),
      make("time", { textContent: when }),
    );
  }

  add({ seq, user_id, client_msg_id, text, created_at }) {
    if (user_id === this.user) this.settle(client_msg_id);
    if (this.seen.has(seq)) return;
    this.seen.add(seq);
    const time = new Date(created_at).toLocaleTimeString([], { timeStyle: "short" });
    const own = user_id === this.user;
    const line = this.bubble(user_id, text, own ? `✓ ${seq} · ${time}` : time);
    line.dataset.seq = seq;
    const later = [...this.log.children].find(
      (other) => Number(other.dataset.seq) > seq || other.matches(".goim-chat-waiting"),
    );
    this.log.insertBefore(line, later ?? null);
    this.log.scrollTop = this.log.scrollHeight;
    this.onMessage({ user_id, text, seq });
  }

  noteMoves(users, what) {
    const others = users.filter((user) => user !== this.user);
    if (others.length === 0) return;
    const names = others.slice(0, 3).map(printableName).join(", ");
    const more = others.length > 3 ? ` and ${others.length - 3} others` : "";
    this.note(`${names}${more} ${others.length === 1 ? "has" : "have"} ${what}`);
  }

  note(text, className = "") {
    this.log.append(make("li", { className: `goim-chat-note ${className}`, textContent: text }));
    this.log.scrollTop = this.log.scrollHeight;
  }

  stop() {
    this.stopped = true;
    this.open = false;
    clearTimeout(this.timer);
    clearTimeout(this.again);
    this.socket.close(1000);
  }
}

// What the views of one panel share. A panel may be shown in several cells: each view has columns
// of its own, but what the kernel asks to be said is said once, and what it is told is of them all.
const panels = new WeakMap(); // model -> {views, shown}

function panelOf(model) {
  if (!panels.has(model)) panels.set(model, { views: new Set(), shown: new Map() });
  return panels.get(model);
}

function render({ model, el }) {
  // What the kernel is told is always the whole truth of this moment, never a change to what it
  // had: two columns may have news at once. And it is told by messages, not by syncing traits: that
  // waits for the kernel to be idle, and waits for ever if a cell with `await` was under way.
  const panel = panelOf(model);
  const view = { columns: [] };
  panel.views.add(view);
  const tell = (name, value) => model.send({ type: name, value });
  const onState = () => {
    const open = [...panel.views].flatMap((one) => one.columns.filter((column) => column.open));
    const users = new Set(open.map((column) => column.user));
    tell("connected", model.get("users").filter((user) => users.has(user)));
  };
  const onMessage = (message) => {
    if (panel.shown.has(message.seq)) return;
    panel.shown.set(message.seq, message);
    tell("messages", [...panel.shown.values()].sort((one, other) => one.seq - other.seq));
  };
  const forget = () => {
    panel.shown.clear();
    tell("messages", []);
  };
  const furnishColumns = () => {
    view.columns.forEach((column) => column.stop());
    view.columns = [];
    for (const [index, user] of model.get("users").entries()) {
      view.columns.push(new Column(model, user, index, onState, onMessage));
    }
    el.replaceChildren(...view.columns.map((column) => column.node));
    onState();
  };
  furnish(el, "goim-chat", `Chat room ${printableName(model.get("room"))}`);
  furnishColumns();

  const say = (message) => {
    if (message.type !== "say" || view !== [...panel.views][0]) return;
    view.columns.find((column) => column.user === message.user)?.send(message.text, message.id);
  };
  const move = () => {
    forget();
    el.setAttribute("aria-label", `Chat room ${printableName(model.get("room"))}`);
    view.columns.forEach((column) => column.reconnect());
  };
  const leave = listen(model, {
    "msg:custom": say,
    "change:url": move,
    "change:room": move,
    "change:users": furnishColumns,
  });
  return () => {
    leave();
    panel.views.delete(view);
    view.columns.forEach((column) => column.stop());
    onState();
  };
}

export default { render };
