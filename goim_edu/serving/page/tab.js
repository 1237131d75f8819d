// What this tab knows: the user, the rooms, what is still to be sent, and the link to the server.

import { Inspector } from "./inspector.js";
import { Link } from "./link.js";
import { Outbox, TabStorage } from "./rooms.js";

/** What changes while the page is open. */
export const tab = {
  name: "",
  token: "",
  current: "", // id of the room that is shown
  limits: { text: 4096, rooms: 50 },
  heartbeat: null,
  session: "",
  store: "",
  refusedWhy: "", // why the server did not take our hello
};

/** The WebSocket beside the page: behind a proxy both may stand below a path (RFC 3986 §5). */
function chatAddress() {
  const address = new URL("chat", document.baseURI);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

export const storage = new TabStorage();
export const outbox = new Outbox(storage);
export const inspector = new Inspector();
export const link = new Link(chatAddress());
export const rooms = new Map(); // id -> Room
export const lists = new Map(); // id -> MessageList

export function currentRoom() {
  return rooms.get(tab.current);
}

export function joinRoom(room) {
  const since = room.resumeAt === null ? {} : { since: room.resumeAt };
  room.state = "joining";
  link.request("join", { room_id: room.id, ...since });
}
