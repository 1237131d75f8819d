// The window: finds the elements of index.html once, and shows what it is told. It decides nothing.

import { make } from "./messages.js";
import { PeopleList } from "./people.js";
import { printableName } from "./printable.js";
import { counted, hueOf, initial, listed } from "./words.js";

const NEAR_BOTTOM_PX = 60;
const ANNOUNCED = 5; // so many messages stay in the region that screen readers read from

const IDS = [
  "entrance", "entrance-form", "entrance-name", "entrance-room", "entrance-token",
  "entrance-token-field", "entrance-error", "entrance-link", "entrance-stay", "entrance-button", "app", "open-rooms", "unread-elsewhere", "connection",
  "connection-text", "open-inspector", "rooms", "room-list", "join-form", "join-room",
  "join-error", "me-avatar", "me-name", "change-name", "conversation", "room-name", "copy-link",
  "leave-room", "open-people", "people-count", "banner", "banner-text", "banner-countdown",
  "retry-now", "notice", "notice-text", "close-notice", "log", "log-top", "load-earlier",
  "log-start", "empty", "invite", "to-latest", "activity", "composer", "composer-text",
  "composer-send", "composer-count", "people", "people-list", "more-people", "inspector", "close-inspector",
  "veil", "announcer", "people-number",
];

const CONNECTION_WORDS = {
  connecting: "Connecting",
  online: "Connected",
  waiting: "Not connected",
  stopped: "Signed out",
};

const camel = (id) => id.replace(/-./g, (part) => part[1].toUpperCase());

/** The elements of the page by their ids in camel case: `element.composerText`. */
export const element = Object.fromEntries(IDS.map((id) => [camel(id), document.getElementById(id)]));

const peopleList = new PeopleList(element.peopleList, element.morePeople);

/**
 * Show the form at the entrance.
 *
 * `problem` says why one is here again. `link` says that a link has filled in the form: nothing happens
 * before the user has agreed. `stay` is the name that the user has in this tab and may keep.
 */
export function showEntrance({ name, room, token = "", problem = "", askToken = false, link = false, stay = "" }) {
  element.app.hidden = true;
  element.entrance.hidden = false;
  element.entranceName.value = name;
  element.entranceRoom.value = room;
  element.entranceToken.value = token;
  element.entranceTokenField.hidden = !(askToken || token);
  element.entranceError.hidden = !problem;
  element.entranceError.textContent = problem;
  element.entranceLink.hidden = !link;
  element.entranceLink.textContent = linkWords({ name, room, token, stay });
  element.entranceStay.hidden = !stay;
  element.entranceStay.textContent = `Stay ${printableName(stay)}`;
  document.title = "goim";
  if (stay) element.entranceStay.focus(); // a key that is pressed unawares changes nothing
  else if (name && link) element.entranceButton.focus();
  else (name && askToken ? element.entranceToken : element.entranceName).focus();
}

function linkWords({ name, room, token, stay }) {
  const who = name ? ` as ${printableName(name)}` : "";
  const how = token ? ", with the token of the link" : "";
  const now = stay ? ` In this tab you are ${printableName(stay)}.` : "";
  return `A link has filled in this form: you would enter ${printableName(room)}${who}${how}.${now}`;
}

/** Write a text, unless it stands there already: the page is drawn often, and mostly nothing is new. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Show the chat in the place of the entrance. */
export function showApp(user) {
  element.entrance.hidden = true;
  element.app.hidden = false;
  element.meName.textContent = printableName(user);
  element.meAvatar.textContent = initial(user);
  element.meAvatar.className = `avatar hue-${hueOf(user)}`;
}

/** Show the state of the link: the lamp in the bar, and a banner while there is none. */
export function showConnection(state, why, again) {
  element.connection.dataset.state = state;
  const words = state === "connecting" && again ? "Reconnecting" : CONNECTION_WORDS[state];
  write(element.connectionText, words);
  const away = state === "waiting" || (state === "connecting" && again);
  element.banner.hidden = !away;
  element.retryNow.hidden = state !== "waiting";
  element.app.dataset.link = away ? "away" : "here";
  const reason = why ? `No connection: ${why}.` : "No connection.";
  if (state === "waiting") {
    element.bannerText.textContent = `${reason} What you write is kept.`;
  } else if (away) {
    element.bannerText.textContent = "Trying to connect again.";
    showCountdown(0);
  }
}

/** Show how long until the next attempt; apart from the text, so that it is not read out. */
export function showCountdown(ms) {
  const text = ms > 0 ? `Next attempt in ${Math.max(1, Math.ceil(ms / 1000))} s` : "";
  write(element.bannerCountdown, text);
}

function drawRoom(id) {
  const button = make(
    "button",
    { type: "button", className: "room", "data-room": id },
    make("span", { className: "hash", textContent: "#", "aria-hidden": "true" }),
    make("span", { className: "room-label", textContent: printableName(id), dir: "auto" }),
    make("span", { className: "badge", "aria-hidden": "true" }),
    make("span", { className: "visually-hidden" }),
  );
  return make("li", {}, button);
}

/** Show the rooms.
 *
 * The button of a room stays the same one. Else a slow click would be lost whenever a message comes
 * in between. */
export function showRooms(rooms, current) {
  const list = element.roomList;
  const there = new Map([...list.children].map((item) => [item.firstChild.dataset.room, item]));
  for (const [id, item] of there) if (!rooms.has(id)) item.remove();
  for (const room of rooms.values()) {
    const item = there.get(room.id) ?? drawRoom(room.id);
    if (!item.isConnected) list.append(item);
    const button = item.firstChild;
    const [badge, said] = [...button.children].slice(-2);
    button.dataset.state = room.state;
    if (room.id === current) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    badge.hidden = room.unread === 0;
    write(badge, `${Math.min(room.unread, 99)}${room.unread > 99 ? "+" : ""}`);
    write(said, room.unread ? `, ${room.unread} unread` : "");
  }
  const unread = [...rooms.values()].reduce((sum, room) => sum + room.unread, 0);
  element.unreadElsewhere.hidden = unread === 0;
  document.title = `${unread ? `(${unread}) ` : ""}${printableName(current)} · goim`;
}

/** Show the head of the room and its members. */
export function showRoom(room) {
  const name = printableName(room.id);
  write(element.roomName, name);
  element.log.setAttribute("aria-label", `Messages in ${name}`);
  element.composerText.placeholder = `Message to ${name}`;
  write(element.peopleCount, counted(room.people.count, "person", "people"));
  write(element.peopleNumber, room.people.count.toLocaleString("en"));
  peopleList.show(room.people);
  const refused = room.state === "refused";
  element.composerText.disabled = element.composerSend.disabled = refused;
  if (refused) element.composerText.placeholder = "You are not in this room";
}

function startWords(room, isEmpty) {
  if (room.refusal) return room.refusal;
  if (!room.loaded) return "Fetching the messages…";
  return room.hasMore || isEmpty ? "" : "This is the beginning of the room.";
}

/** Show what stands above the first message, or in the place of all of them. */
export function showStart(room, isEmpty) {
  const words = startWords(room, isEmpty);
  element.logStart.hidden = !words;
  write(element.logStart, words);
  const ready = room.loaded && !room.refusal;
  element.empty.hidden = !(ready && isEmpty && !room.hasMore);
  element.loadEarlier.hidden = !(ready && room.hasMore);
  write(element.loadEarlier, room.loading ? "Fetching…" : "Show earlier messages");
}

/** Show the users who are writing, or `other` words. */
export function showActivity(typists, other) {
  const verb = typists.length === 1 ? "is" : "are";
  const text = typists.length ? `${listed(typists)} ${verb} writing…` : other;
  write(element.activity, text);
}

/** Show a problem ("bad") or a remark ("warn") until it is dismissed; without words, none. */
export function showNotice(words, kind = "warn") {
  element.notice.hidden = !words;
  element.notice.dataset.kind = kind;
  write(element.noticeText, words);
}

/** Let screen readers say `words` when they have time. */
export function announce(words) {
  element.announcer.append(make("p", { textContent: words }));
  while (element.announcer.childElementCount > ANNOUNCED) element.announcer.firstChild.remove();
}

/** Whether the newest message is in sight. */
export function atBottom() {
  const { scrollTop, scrollHeight, clientHeight } = element.log;
  return scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM_PX;
}

export function toBottom() {
  element.log.scrollTop = element.log.scrollHeight;
}

/** Change the list above what is in sight without moving what is in sight. */
export function keepPlace(change) {
  const fromBottom = element.log.scrollHeight - element.log.scrollTop;
  change();
  element.log.scrollTop = element.log.scrollHeight - fromBottom;
}

/** Show the button that leads to messages below the ones in sight. */
export function showBelow(count, away) {
  element.toLatest.hidden = !away;
  const words = count ? counted(count, "new message", "new messages") : "To the newest";
  write(element.toLatest, `${words} ↓`);
}

/** Fit the message box to its text, up to a third of the window, and count what is left. */
export function fitComposer(limit) {
  const box = element.composerText;
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, window.innerHeight / 3)}px`;
  const left = limit - [...box.value].length;
  element.composerCount.hidden = left > 200;
  element.composerCount.textContent =
    left >= 0 ? `${counted(left, "character", "characters")} left` : `${-left} too many`;
  element.composerCount.classList.toggle("over", left < 0);
  return left >= 0;
}
