// The chat page: enters, chooses rooms, and joins the window to the rest. Start reading here.
//
// The way of a message: composer -> Outbox (kept until stored) -> Link.request("send") -> `ack`
// (now it is stored, with its seq) -> `message` to everybody. After a lost connection every message
// without an ack is sent again under the same client_msg_id, and each room is joined with `since`.
//
//   tab.js        what this tab knows         sending.js   composer and outbox
//   answers.js    what the server says        reading.js   drawing, scrolling, history
//   link.js       the WebSocket               view.js      the elements of index.html
//   rooms.js      rooms, outbox, storage      messages.js  the list of one room
//   inspector.js  frames and figures          facts.js     what it tells about the connection
//   people.js     the users of a room         panels.js    what opens and closes
//   words.js      sentences, times, sizes     printable.js what cannot be seen, as marks
//
// Names that tests and other pages may rely on; those without a mark are ids of index.html:
//   entrance-name, entrance-room, entrance-token, entrance-button, entrance-error   the form for the
//     name; entrance-link, entrance-stay   what a link would change, and the way to refuse it
//   connection[data-state = connecting | online | waiting | stopped], connection-text, banner, retry-now
//   room-list button[data-room][aria-current], join-room, room-name, leave-room
//   people-list li, people-count, open-people, more-people
//   log (role log) li.message[data-seq][data-user][data-key][data-state = queued | sent | held |
//     stored | failed] .author .text .seq .state; load-earlier, log-start, empty, to-latest
//   composer-text, composer-send, composer-count, activity, notice, notice-text, announcer
//   open-inspector, inspector, frames li[data-kind = sent | received | event], .frame-type, way, facts
// The address: ?room=lobby&name=lisa enters at once if nobody is in this tab. With another name than the
// tab's, or with #token=..., the page asks first; a token is sent with hello and kept in this tab.

import { answers } from "./answers.js";
import "./facts.js";
import { MessageList } from "./messages.js";
import { closeOne, closePanels, wirePanels } from "./panels.js";
import { askEarlier, askPeople, drawActivity, inviteAddress, keepBottom, onReturn, onScroll, pass, place, refresh, standAt, toBottom } from "./reading.js";
import { Room } from "./rooms.js";
import { actOnMessage, onInput, submitMessage } from "./sending.js";
import { currentRoom, inspector, joinRoom, link, lists, outbox, rooms, storage, tab } from "./tab.js";
import * as view from "./view.js";

const { element } = view;

// ---------------------------------------------------------------- entering, remembering, leaving

function remember() {
  const { name, token, current } = tab;
  storage.write("goim.tab", { name, token, current, rooms: [...rooms.keys()] });
  const address = new URL(location.href);
  address.search = tab.current ? `?room=${encodeURIComponent(tab.current)}` : "";
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
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  const saved = storage.read("goim.tab") ?? { name: "", token: "", current: "", rooms: [] };
  const name = (asked.get("name") ?? "").trim();
  const room = (asked.get("room") ?? "").trim();
  const stranger = Boolean(saved.name && name && name !== saved.name);
  if (stranger || (token && token !== saved.token)) askFirst({ name, room, token, saved });
  else if (saved.name) takeUp(saved, room);
  else if (name) enter(name, [], room || "lobby");
  else view.showEntrance({ name: lastName(), room: room || "lobby" });
}

/** Anybody can make a link: what it would change is shown, and changed by the user only. */
function askFirst({ name, room, token, saved }) {
  element.entranceStay.onclick = () => takeUp(saved, "");
  const shown = { name: name || saved.name || lastName(), room: room || "lobby" };
  view.showEntrance({ ...shown, token, link: true, stay: saved.name });
}

/** Go on as in an earlier life of this tab. */
function takeUp(saved, room) {
  tab.token = saved.token;
  enter(saved.name, saved.rooms, room || saved.current || "lobby");
}

function enter(name, roomIds, first) {
  tab.name = name;
  rooms.clear();
  lists.clear();
  for (const id of [...roomIds, first]) addRoom(id);
  for (const item of outbox.load(name)) {
    addRoom(item.room_id);
    lists.get(item.room_id).addPending(item);
  }
  view.showApp(name);
  choose(first);
  link.start(() => ({ user_id: tab.name, ...(tab.token ? { token: tab.token } : {}) }));
  element.composerText.focus();
}

function signOut(problem = "", askToken = false) {
  link.stop();
  storage.write("goim.tab", null);
  closePanels();
  const token = askToken ? "" : tab.token;
  view.showEntrance({ name: tab.name, room: tab.current || "lobby", token, problem, askToken });
}

// ---------------------------------------------------------------- rooms

function addRoom(id) {
  if (rooms.has(id)) return rooms.get(id);
  const room = new Room(id, tab.name);
  rooms.set(id, room);
  lists.set(id, new MessageList(room, () => tab.name, actOnMessage));
  return room;
}

function choose(id) {
  const before = currentRoom();
  if (before) {
    before.draft = element.composerText.value;
    before.scroll = place();
    before.firstUnread = null;
  }
  tab.current = id;
  const room = rooms.get(id);
  lists.get(id).markUnread(room.firstUnread);
  room.unread = 0;
  element.log.querySelector("ol")?.remove();
  element.log.append(lists.get(id).node);
  element.composerText.value = room.draft;
  view.fitComposer(tab.limits.text);
  if (room.state === "refused" && link.state === "online") joinRoom(room);
  refresh();
  standAt(room.scroll ?? null);
  remember();
}

function leaveRoom(id) {
  link.request("leave", { room_id: id });
  rooms.delete(id);
  lists.delete(id);
  if (rooms.size === 0) addRoom("lobby");
  if (id === tab.current) {
    tab.current = "";
    choose(rooms.keys().next().value);
    joinNew(currentRoom());
  }
  refresh();
  remember();
}

function joinNew(room) {
  if (link.state === "online" && room.state === "new") joinRoom(room);
}

// ---------------------------------------------------------------- the link

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
  if (state === "stopped" && why) signOut(tab.refusedWhy || why, true); // the server said so, not the user
}

function probe() {
  const room = [...rooms.values()].find((one) => one.state === "joined");
  if (room) link.request("history", { room_id: room.id, before_seq: 1, limit: 1 });
}

// ---------------------------------------------------------------- keys, buttons and forms

function onKey(event) {
  if (event.key === "Escape") closeOne();
  const sideways = event.key === "ArrowUp" || event.key === "ArrowDown";
  if (event.altKey && sideways && rooms.size > 1) {
    event.preventDefault();
    const ids = [...rooms.keys()];
    const step = event.key === "ArrowDown" ? 1 : ids.length - 1;
    choose(ids[(ids.indexOf(tab.current) + step) % ids.length]);
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
  element.joinError.hidden = rooms.has(id) || rooms.size < tab.limits.rooms;
  element.joinError.textContent = `At most ${tab.limits.rooms} rooms at once.`;
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
  tab.token = element.entranceToken.value.trim();
  lastName(name);
  if (name) enter(name, [], room);
});
onSubmit(element.joinForm, joinByForm);
onSubmit(element.composer, submitMessage);
onClick(element.roomList, ({ target }) => {
  const button = target.closest("[data-room]");
  if (!button) return;
  choose(button.dataset.room);
  closePanels();
});
onClick(element.retryNow, () => link.retryNow());
onClick(element.changeName, () => signOut());
onClick(element.leaveRoom, () => leaveRoom(tab.current));
onClick(element.copyLink, copyLink);
onClick(element.closeNotice, () => view.showNotice(""));
onClick(element.loadEarlier, askEarlier);
onClick(element.morePeople, () => askPeople(currentRoom()));
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
new ResizeObserver(keepBottom).observe(element.log);

link.addEventListener("state", ({ detail }) => onState(detail));
link.addEventListener("wire", ({ detail }) => inspector.record(detail));
link.addEventListener("probe", probe);
link.addEventListener("answer", ({ detail }) => answers[detail.message.type]?.(detail));
setInterval(() => {
  drawActivity();
  if (link.state === "waiting") view.showCountdown(link.retryAt - Date.now());
}, 250);

begin();
