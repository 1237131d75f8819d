// Sending: from the composer into the outbox, from there to the server, and again if it must be.

import { refresh, toBottom } from "./reading.js";
import { currentRoom, inspector, link, lists, outbox, rooms, tab } from "./tab.js";
import * as view from "./view.js";

const { element } = view;
const TYPING_EVERY_MS = 3_500; // the server tells it once in 3 s

let lastTyping = 0;

export function submitMessage() {
  const text = element.composerText.value;
  if (!text.trim() || !view.fitComposer(tab.limits.text)) return;
  element.composerText.value = "";
  view.fitComposer(tab.limits.text);
  lastTyping = 0;
  say(text);
}

function say(text) {
  const item = outbox.add(tab.name, tab.current, text);
  inspector.follow(item.client_msg_id, "typed");
  lists.get(tab.current).addPending(item);
  toBottom();
  flush();
  refresh();
}

/** Send what may be sent now. */
export function flush() {
  const joined = (id) => link.state === "online" && rooms.get(id)?.state === "joined";
  for (const item of outbox.next(joined)) {
    const { client_msg_id, room_id, text } = item;
    const request = link.request("send", { room_id, client_msg_id, text });
    if (!request) return;
    Object.assign(item, { state: "sent", ref: request.ref, tries: item.tries + 1 });
    lists.get(room_id)?.addPending(item);
    inspector.follow(client_msg_id, "left", { octets: request.octets });
  }
}

export function actOnMessage(what, key) {
  const item = outbox.find(key);
  const list = lists.get(item?.room_id);
  if (!list) return;
  if (what === "retry") {
    Object.assign(item, { state: "queued", why: "" });
    list.addPending(item);
    flush();
    return;
  }
  outbox.remove(key);
  list.removePending(key);
  if (what === "edit") {
    element.composerText.value = item.text;
    view.fitComposer(tab.limits.text);
  }
  element.composerText.focus();
  refresh();
}

export function onInput() {
  view.fitComposer(tab.limits.text);
  const now = Date.now();
  if (!element.composerText.value || now - lastTyping < TYPING_EVERY_MS) return;
  if (currentRoom()?.state !== "joined") return;
  if (link.request("typing", { room_id: tab.current })) lastTyping = now;
}
