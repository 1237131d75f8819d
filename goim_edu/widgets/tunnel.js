// The browser's side of a tunnel: as much of a WebSocket as a widget uses, over its model's channel.
// A client in the kernel speaks for it; tunnel.py says which messages go to and fro.

class Tunnel extends EventTarget {
  constructor(model, subprotocols) {
    super();
    this.model = model;
    this.readyState = WebSocket.CONNECTING;
    this.protocol = "";
    this.link = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    this.hear = (message) => {
      if (message.link === this.link) this.receive(message);
    };
    model.on("msg:custom", this.hear);
    this.tell("open", { subprotocols });
  }

  tell(what, more = {}) {
    this.model.send({ type: `tunnel-${what}`, link: this.link, ...more });
  }

  receive({ type, subprotocol, data, code, reason }) {
    if (type === "tunnel-opened") {
      this.readyState = WebSocket.OPEN;
      this.protocol = subprotocol;
      this.dispatchEvent(new Event("open"));
    } else if (type === "tunnel-message") {
      this.dispatchEvent(new MessageEvent("message", { data }));
    } else if (type === "tunnel-closed") {
      this.end(code, reason);
    }
  }

  send(data) {
    if (this.readyState === WebSocket.OPEN) this.tell("send", { data });
  }

  close(code = 1000) {
    if (this.readyState >= WebSocket.CLOSING) return;
    this.tell("close", { code });
    this.end(code, "");
  }

  end(code, reason) {
    if (this.readyState === WebSocket.CLOSED) return;
    this.readyState = WebSocket.CLOSED;
    this.model.off("msg:custom", this.hear);
    this.dispatchEvent(new CloseEvent("close", { code, reason }));
  }
}
