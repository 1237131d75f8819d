// The chat page: joins the link, the rooms and the window. Start reading here.
//
// The way of a message: composer -> Outbox (kept until stored) -> Link.request("send") -> `ack`
// (now it is stored, with its seq) -> `message` to everybody. After a lost connection whatever has
// no ack goes again under the same client_msg_id, and each room is joined with `since`.
//
// Names that tests and other pages may rely on (ids of index.html unless it says otherwise):
//   entrance-name, entrance-room, entrance-button, entrance-error   the form of somebody without a name
//   connection[data-state = connecting | online | waiting | stopped], connection-text, banner, retry-now
//   room-list button[data-room][aria-current], join-room, room-name, leave-room
//   people-list li, people-count, open-people
//   log (role log) li.message[data-seq][data-user][data-key][data-state = queued | sent | held |
//     stored | failed] .author .text .seq .state; load-earlier, log-start, empty, to-latest
//   composer-text, composer-send, composer-count, activity, notice, notice-text, announcer
//   open-inspector, inspector, frames li[data-kind = sent | received | event], .frame-type, way, facts
// The address: ?room=lobby&name=lisa enters at once; #token=... is sent with hello and kept in this tab.

import { Inspector } from "/inspector.js";
import { Link } from "/link.js";
import { MessageList } from "/messages.js";
import { closeOne, closePanels, wirePanels } from "/panels.js";
import { Outbox, Room, TabStorage } from "/rooms.js";
import * as view from "/view.js";
import { clock, errorWords } from "/words.js";

const { element } = view;
const PAGE = 50; // messages of one request for history
const IN_FLIGHT = 32; // messages that may wait for their ack at once
const TYPING_EVERY_MS = 2_000;
const READ_AFTER_MS = 400;
const NEAR_TOP_PX = 160;

const storage = new TabStorage();
const outbox = new Outbox(storage);
const inspector = new Inspector();
const link = new Link(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/chat`);
const rooms = new Map(); // id -> Room
const lists = new Map(); // id -> MessageList

const me = { name: "", token: "" };
let current = ""; // id of the room that is shown
let limits = { text: 4096, rooms: 50 };
let heartbeat = null;
let session = "";
let store = "";
let below = 0; // messages that came while the newest was out of sight
let passing = { text: "", until: 0 }; // "lin has come in", for a moment
let lastTyping = 0;
let readTimer = 0;
let refusedWhy = "";
let stickToBottom = true; // the newest message was in sight, so the next one shall be
let lastTop = 0; // how far down the list was at the last look
let settling = 0;
let heldNotice = false; // a notice stands that the next ack makes untrue

// ---------------------------------------------------------------- entering, remembering, leaving

function remember() {
  storage.write("goim.tab", { ...me, rooms: [...rooms.keys()], current });
  const address = new URL(location.href);
  address.search = current ? `?room=${encodeURIComponent(current)}` : "";
  address.hash = "";
  history.replaceState(null, "", address);
}

function lastName(name) {
  try {
    if (name) localStorage.setItem("goim.name", name);
    return localStorage.getItem("goim.name") ?? "";
  } catch {
    return "";
  }
}

function begin() {
  const asked = new URLSearchParams(location.search);
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  const tab = storage.read("goim.tab") ?? {};
  const name = (asked.get("name") ?? tab.name ?? "").trim();
  const same = name === tab.name;
  me.token = token ?? (same ? tab.token : "") ?? "";
  const wanted = (asked.get("room") ?? (same ? tab.current : "") ?? "").trim();
  if (!name) {
    view.showEntrance({ name: lastName(), room: wanted || "lobby", askToken: Boolean(me.token) });
    return;
  }
  enter(name, same ? (tab.rooms ?? []) : [], wanted || "lobby");
}

function enter(name, roomIds, first) {
  me.name = name;
  lastName(name);
  rooms.clear();
  lists.clear();
  for (const id of [...roomIds, first]) addRoom(id);
  for (const item of outbox.load(name)) {
    addRoom(item.room_id);
    lists.get(item.room_id).addPending(item);
  }
  view.showApp(name);
  choose(first);
  link.start(() => ({ user_id: me.name, ...(me.token ? { token: me.token } : {}) }));
  element.composerText.focus();
}

function signOut(problem = "", askToken = false) {
  link.stop();
  storage.write("goim.tab", null);
  closePanels();
  view.showEntrance({ name: me.name, room: current || "lobby", problem, askToken });
}

// ---------------------------------------------------------------- rooms

function addRoom(id) {
  if (rooms.has(id)) return rooms.get(id);
  const room = new Room(id);
  rooms.set(id, room);
  lists.set(id, new MessageList(room, () => me.name, actOnMessage));
  return room;
}

function joinRoom(room) {
  const since = room.resumeAt === null ? {} : { since: room.resumeAt };
  room.state = "joining";
  link.request("join", { room_id: room.id, ...since });
}

function choose(id) {
  const before = rooms.get(current);
  if (before) {
    before.draft = element.composerText.value;
    before.scroll = stickToBottom ? null : element.log.scrollTop;
    before.firstUnread = null;
  }
  current = id;
  const room = rooms.get(id);
  lists.get(id).markUnread(room.firstUnread);
  room.unread = 0;
  element.log.querySelector("ol")?.remove();
  element.log.append(lists.get(id).node);
  element.composerText.value = room.draft;
  view.fitComposer(limits.text);
  if (room.state === "refused" && link.state === "online") joinRoom(room);
  refresh();
  if ((room.scroll ?? null) === null) toBottom();
  else {
    element.log.scrollTop = lastTop = room.scroll;
    stickToBottom = false;
  }
  below = 0;
  onScroll();
  remember();
}

function leaveRoom(id) {
  link.request("leave", { room_id: id });
  rooms.delete(id);
  lists.delete(id);
  if (rooms.size === 0) addRoom("lobby");
  if (id === current) {
    current = "";
    choose(rooms.keys().next().value);
    joinNew(rooms.get(current));
  }
  refresh();
  remember();
}

function joinNew(room) {
  if (link.state === "online" && room.state === "new") joinRoom(room);
}

/** Draw all that is not the list of messages itself. */
function refresh() {
  const room = rooms.get(current);
  if (!room) return;
  view.showRooms(rooms, current, (id) => {
    choose(id);
    closePanels();
  });
  view.showRoom(room, me.name);
  view.showStart(room, lists.get(current).size === 0);
  element.invite.href = element.invite.textContent = inviteAddress();
}

function inviteAddress() {
  return `${location.origin}/?room=${encodeURIComponent(current)}`;
}

// ---------------------------------------------------------------- sending

function say(text) {
  const item = outbox.add(me.name, current, text);
  inspector.follow(item.client_msg_id, "typed");
  lists.get(current).addPending(item);
  toBottom();
  flush();
  refresh();
}

/** Send what may be sent now. */
function flush() {
  const joined = (id) => link.state === "online" && rooms.get(id)?.state === "joined";
  for (const item of outbox.next(joined, IN_FLIGHT)) {
    const { client_msg_id, room_id, text } = item;
    const request = link.request("send", { room_id, client_msg_id, text });
    if (!request) return;
    Object.assign(item, { state: "sent", ref: request.ref, tries: item.tries + 1 });
    lists.get(room_id)?.addPending(item);
    inspector.follow(client_msg_id, "left", { octets: request.octets });
  }
}

function actOnMessage(what, key) {
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
    view.fitComposer(limits.text);
  }
  element.composerText.focus();
  refresh();
}

// ---------------------------------------------------------------- what the server says

const answers = {
  welcome({ message }) {
    limits = { ...limits, ...message.limits };
    heartbeat = message.heartbeat;
    session = message.session_id;
    refusedWhy = "";
    for (const room of rooms.values()) joinRoom(room);
    askStore();
  },

  joined({ message }) {
    const room = rooms.get(message.room_id);
    if (!room) return;
    Object.assign(room, { state: "joined", refusal: "", members: new Set(message.members) });
    if (message.last_seq < (room.resumeAt ?? 0)) startAnew(room);
    if (message.truncated) {
      room.jump(message.last_seq);
      lists.get(room.id).clearStored();
      if (room.id === current) {
        view.showNotice("You missed very many messages: scroll up to read them all.");
      }
    }
    if (!room.loaded) askHistory(room);
    flush();
    refresh();
  },

  history({ message, request }) {
    const room = rooms.get(message.room_id);
    if (!room || request?.fields.limit !== PAGE) return; // a probe
    const newest = request.fields.before_seq === undefined;
    const fresh = room.addHistory(message.messages, message.has_more, newest);
    const list = lists.get(room.id);
    const add = () => {
      for (const earlier of fresh) list.addStored(earlier);
      refresh();
    };
    for (const { user_id, client_msg_id } of fresh) {
      // An own message that an earlier life of this tab has sent without hearing of its ack.
      if (user_id === me.name && outbox.find(client_msg_id)) outbox.remove(client_msg_id);
    }
    if (room.id !== current || newest) add();
    else view.keepPlace(add);
    if (room.id === current && newest) toBottom();
    scheduleRead();
  },

  message({ message }) {
    const room = rooms.get(message.room_id);
    if (!room) return;
    const own = message.user_id === me.name;
    if (own) {
      if (outbox.find(message.client_msg_id)) outbox.remove(message.client_msg_id);
      inspector.follow(message.client_msg_id, "shown", { seq: message.seq });
    }
    if (room.contradicts(message)) startAnew(room);
    if (room.push(message)) showNew(room, message, own);
  },

  ack({ message, request, took }) {
    const room = rooms.get(message.room_id);
    const item = outbox.remove(message.client_msg_id);
    outbox.recovered();
    if (heldNotice) view.showNotice("");
    heldNotice = false;
    const { seq, duplicate } = message;
    inspector.follow(message.client_msg_id, "stored", { seq, duplicate });
    inspector.addTrip(took);
    if (!room || !item) return flush();
    const { user_id, client_msg_id } = item;
    const text = request.fields.text;
    const stored = { room_id: room.id, seq, user_id, client_msg_id, text, created_at: message.created_at };
    const list = lists.get(room.id);
    if (room.acknowledge(stored)) list.addStored(stored);
    else list.removePending(client_msg_id);
    return flush();
  },

  left() {},

  presence({ message: { room_id, user_id, state } }) {
    const room = rooms.get(room_id);
    if (!room) return;
    if (state === "joined") room.members.add(user_id);
    else room.members.delete(user_id);
    if (state === "left") room.typing.delete(user_id);
    if (room_id === current) {
      pass(`${user_id} ${state === "joined" ? "has come in" : "has left"}`);
      refresh();
    }
  },

  typing({ message }) {
    rooms.get(message.room_id)?.noteTyping(message.user_id);
    drawActivity();
  },

  read({ message: { room_id, user_id, seq } }) {
    const room = rooms.get(room_id);
    if (!room) return;
    room.readBy.set(user_id, Math.max(seq, room.readBy.get(user_id) ?? 0));
    lists.get(room_id).showReaders(room.readBy);
  },

  draining() {
    view.showNotice("The server is restarting; this page comes back by itself.");
  },

  error({ message, request }) {
    refused(message, request);
  },
};

/** The store has forgotten the room, as one in memory does when the server ends. */
function startAnew(room) {
  room.forget();
  lists.get(room.id).clearStored();
  if (room.state === "joined") askHistory(room);
  if (room.id === current) {
    view.showNotice("The server no longer has the earlier messages: it kept them in memory only.");
  }
}

function showNew(room, message, own) {
  const list = lists.get(room.id);
  const here = room.id === current && !document.hidden;
  if (!own && !here && room.firstUnread === null) room.firstUnread = message.seq;
  list.addStored(message);
  if (!own && (room.id !== current || document.hidden)) room.unread += 1;
  if (!own) {
    const where = room.id === current ? "" : ` in ${room.id}`;
    view.announce(`${message.user_id}${where}: ${message.text}`);
  }
  if (room.id === current) {
    if (own) stickToBottom = true;
    if (!stickToBottom) below += 1;
  } else if (room.trim()) list.cutBefore(room.lowest);
  settleSoon();
}

/** After one message or a thousand of a burst: draw once what depends on them. */
function settleSoon() {
  settling ||= setTimeout(settle, 16);
}

function settle() {
  settling = 0;
  const room = rooms.get(current);
  if (!room) return;
  const list = lists.get(current);
  if (stickToBottom) {
    if (room.trim()) list.cutBefore(room.lowest);
    toBottom();
  }
  list.showReaders(room.readBy);
  drawActivity();
  onScroll();
  refresh();
}

/** The server refused something: say so where it belongs. */
function refused(error, request) {
  const words = errorWords(error);
  switch (request?.type) {
    case "hello":
      refusedWhy = words;
      break;
    case "join":
      refusedRoom(rooms.get(request.fields.room_id), error, words);
      break;
    case "send":
      refusedMessage(outbox.find(request.fields.client_msg_id), error, words);
      break;
    case "history":
      if (rooms.has(request.fields.room_id)) rooms.get(request.fields.room_id).loading = false;
      view.showNotice(words, "bad");
      refresh();
      break;
    case "typing":
    case "read":
    case "leave":
      break; // it shows in the inspector; nobody waits for it
    default:
      view.showNotice(words, "bad");
  }
}

function refusedRoom(room, error, words) {
  if (!room) return;
  if (error.code === "rate_limited" || error.code === "unavailable") {
    setTimeout(() => link.state === "online" && joinRoom(room), 1_500);
    room.refusal = `${words}. Trying again…`;
  } else {
    room.state = "refused";
    room.refusal = `${words}. Choose the room again to try once more.`;
  }
  refresh();
}

function refusedMessage(item, error, words) {
  if (!item) return;
  const list = lists.get(item.room_id);
  if (error.code === "unavailable" || error.code === "rate_limited") {
    const wait = outbox.hold(item, words);
    list?.addPending(item);
    const trouble = error.code === "unavailable" ? "The database does not answer" : "Too much at once";
    view.showNotice(`${trouble}. Your message is kept and sent again.`);
    heldNotice = true;
    setTimeout(flush, wait + 20);
  } else if (error.code === "not_joined" && rooms.has(item.room_id)) {
    item.state = "queued";
    list?.addPending(item);
    joinRoom(rooms.get(item.room_id));
  } else {
    outbox.fail(item, words);
    inspector.follow(item.client_msg_id, "left", { failure: words });
    list?.addPending(item);
    view.announce(`Not sent: ${words}`);
  }
}

// ---------------------------------------------------------------- history, reading, writing

function askHistory(room, before) {
  if (room.loading) return;
  const older = before === undefined ? {} : { before_seq: before };
  room.loading = Boolean(link.request("history", { room_id: room.id, limit: PAGE, ...older }));
}

function askEarlier() {
  const room = rooms.get(current);
  if (!room?.loaded || !room.hasMore || room.loading || room.state !== "joined") return;
  askHistory(room, room.lowest ?? room.floor + 1);
  refresh();
}

function toBottom() {
  view.toBottom();
  stickToBottom = true;
  lastTop = element.log.scrollTop;
}

/** Only going up lets go of the end: in a burst the list may grow before the scroll is told. */
function onScroll() {
  const top = element.log.scrollTop;
  if (view.atBottom()) stickToBottom = true;
  else if (top < lastTop) stickToBottom = false;
  lastTop = top;
  if (stickToBottom) below = 0;
  view.showBelow(below, !stickToBottom);
  if (element.log.scrollTop < NEAR_TOP_PX) askEarlier();
  scheduleRead();
}

function scheduleRead() {
  clearTimeout(readTimer);
  readTimer = setTimeout(() => {
    const room = rooms.get(current);
    if (!room || document.hidden || !stickToBottom) return;
    if (room.unread) {
      room.unread = 0;
      refresh();
    }
    if (room.state !== "joined" || room.highest <= room.readTo) return;
    if (link.request("read", { room_id: room.id, seq: room.highest })) room.readTo = room.highest;
  }, READ_AFTER_MS);
}

/** The window is seen again: draw the line above what came meanwhile. */
function onReturn() {
  const room = rooms.get(current);
  if (document.hidden || !room) return;
  lists.get(current).markUnread(room.firstUnread);
  room.firstUnread = null;
  onScroll();
}

function onInput() {
  view.fitComposer(limits.text);
  const now = Date.now();
  if (!element.composerText.value || now - lastTyping < TYPING_EVERY_MS) return;
  if (rooms.get(current)?.state !== "joined") return;
  if (link.request("typing", { room_id: current })) lastTyping = now;
}

function submitMessage() {
  const text = element.composerText.value;
  if (!text.trim() || !view.fitComposer(limits.text)) return;
  element.composerText.value = "";
  view.fitComposer(limits.text);
  lastTyping = 0;
  say(text);
}

function pass(text) {
  passing = { text, until: Date.now() + 4_000 };
  drawActivity();
}

function drawActivity() {
  const room = rooms.get(current);
  if (!room) return;
  view.showActivity(room.typists(), passing.until > Date.now() ? passing.text : "");
}

// ---------------------------------------------------------------- the link and the inspector

function onState({ state, why }) {
  view.showConnection(state, why, link.connections > 0 || link.attempt > 0);
  if (state === "online") {
    view.showNotice("");
    return;
  }
  for (const room of rooms.values()) {
    if (room.state !== "refused") room.state = "new";
    room.loading = false;
    room.typing.clear();
  }
  for (const item of outbox.disconnected()) lists.get(item.room_id)?.addPending(item);
  if (state === "stopped" && why) signOut(refusedWhy || why, true); // the server said so, not the user
}

function probe() {
  const room = [...rooms.values()].find((one) => one.state === "joined");
  if (room) link.request("history", { room_id: room.id, before_seq: 1, limit: 1 });
}

/** The health page names the store; it is only for the inspector, so failing is fine. */
async function askStore() {
  try {
    const health = await (await fetch("/healthz")).json();
    store = typeof health.store === "string" ? health.store : "";
  } catch {
    store = "";
  }
}

inspector.compressed = () => link.facts().extensions !== "";
inspector.brief = () => {
  const { subprotocol, extensions } = link.facts();
  if (link.state !== "online") return `· ${link.why || "being opened"}`;
  return `· ${subprotocol}, ${extensions.includes("permessage-deflate") ? "compressed" : "not compressed"}`;
};
inspector.facts = () => {
  const facts = link.facts();
  const rows = [["Server", facts.url]];
  if (link.state === "online") {
    rows.push(["Open since", `${clock(facts.openedAt)}, connection ${facts.connections} of this page`]);
    rows.push(["Subprotocol", facts.subprotocol || "none"]);
    rows.push(["Extensions", facts.extensions || "none"]);
    rows.push(["Session", session]);
  } else {
    rows.push(["State", [element.connectionText.textContent, link.why].filter(Boolean).join(": ")]);
  }
  if (heartbeat) {
    rows.push(["Heartbeat", `the server pings every ${heartbeat.interval} s; the browser answers unseen`]);
  }
  if (store) rows.push(["Store", store]);
  if (outbox.items.length) rows.push(["Not yet stored", `${outbox.items.length} of yours`]);
  if (facts.buffered) rows.push(["In the browser", `${facts.buffered} octets not yet handed to the network`]);
  return rows;
};

// ---------------------------------------------------------------- keys, buttons and forms

function onKey(event) {
  if (event.key === "Escape") closeOne();
  const sideways = event.key === "ArrowUp" || event.key === "ArrowDown";
  if (event.altKey && sideways && rooms.size > 1) {
    event.preventDefault();
    const ids = [...rooms.keys()];
    const step = event.key === "ArrowDown" ? 1 : ids.length - 1;
    choose(ids[(ids.indexOf(current) + step) % ids.length]);
  }
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(inviteAddress());
    pass("The link is copied");
  } catch {
    view.showNotice(`Copy this link: ${inviteAddress()}`); // no clipboard outside https and localhost
  }
}

function joinByForm() {
  const id = element.joinRoom.value.trim();
  if (!id) return;
  element.joinError.hidden = rooms.has(id) || rooms.size < limits.rooms;
  element.joinError.textContent = `At most ${limits.rooms} rooms at once.`;
  if (!element.joinError.hidden) return;
  element.joinRoom.value = "";
  joinNew(addRoom(id));
  choose(id);
  closePanels();
  element.composerText.focus();
}

function onSubmit(form, act) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
}

function onClick(node, act) {
  node.addEventListener("click", act);
}

onSubmit(element.entranceForm, () => {
  const name = element.entranceName.value.trim();
  const room = element.entranceRoom.value.trim() || "lobby";
  me.token = element.entranceToken.value.trim() || me.token;
  if (name) enter(name, [], room);
});
onSubmit(element.joinForm, joinByForm);
onSubmit(element.composer, submitMessage);
onClick(element.retryNow, () => link.retryNow());
onClick(element.changeName, () => signOut());
onClick(element.leaveRoom, () => leaveRoom(current));
onClick(element.copyLink, copyLink);
onClick(element.closeNotice, () => view.showNotice(""));
onClick(element.loadEarlier, askEarlier);
onClick(element.toLatest, () => {
  toBottom();
  element.log.focus();
});
wirePanels(inspector);
element.composerText.addEventListener("input", onInput);
element.composerText.addEventListener("keydown", (event) => {
  // While an input method composes (Chinese, Japanese), Enter chooses a word.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  submitMessage();
});
element.log.addEventListener("scroll", onScroll, { passive: true });
document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", onReturn);
new ResizeObserver(() => stickToBottom && toBottom()).observe(element.log);

link.addEventListener("state", ({ detail }) => onState(detail));
link.addEventListener("wire", ({ detail }) => inspector.record(detail));
link.addEventListener("probe", probe);
link.addEventListener("answer", ({ detail }) => answers[detail.message.type]?.(detail));
setInterval(() => {
  drawActivity();
  if (link.state === "waiting") view.showCountdown(link.retryAt - Date.now());
}, 250);

begin();
