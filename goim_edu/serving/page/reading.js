// Reading: what is drawn, where the list of messages stands, earlier pages, and what counts as read.

import { currentRoom, link, lists, rooms, tab } from "./tab.js";
import * as view from "./view.js";

const { element } = view;
const READ_AFTER_MS = 400;
const NEAR_TOP_PX = 160;
const PASSING_MS = 4_000;
const PEOPLE_PAGE = 200; // names of one request for members
const PEOPLE_AFTER_MS = 15_000; // and up to twice as much more, so that not all pages ask at once

export const PAGE = 50; // messages of one request for history

let below = 0; // messages that came while the newest was out of sight
let passing = { text: "", until: 0 }; // "lin has come in", for a moment
let readTimer = 0;
let stickToBottom = true; // the newest message is in sight, and so the next one must be
let lastTop = 0; // how far down the list was at the last look
let settling = 0;

// ---------------------------------------------------------------- drawing

/** Draw all that is not the list of messages itself. */
export function refresh() {
  const room = currentRoom();
  if (!room) return;
  view.showRooms(rooms, tab.current);
  view.showRoom(room);
  view.showStart(room, lists.get(tab.current).size === 0);
  element.invite.href = inviteAddress();
  view.write(element.invite, inviteAddress());
}

export function inviteAddress() {
  return new URL(`./?room=${encodeURIComponent(tab.current)}`, document.baseURI).href;
}

/** Show these words for a moment, in the line for those who are writing. */
export function pass(text) {
  passing = { text, until: Date.now() + PASSING_MS };
  drawActivity();
}

export function drawActivity() {
  const room = currentRoom();
  if (!room) return;
  view.showActivity(room.typists(), passing.until > Date.now() ? passing.text : "");
}

// ---------------------------------------------------------------- where the list stands

/** Where the list stands now, for `standAt`: null at its end. */
export function place() {
  return stickToBottom ? null : element.log.scrollTop;
}

export function standAt(where) {
  if (where === null) toBottom();
  else {
    element.log.scrollTop = lastTop = where;
    stickToBottom = false;
  }
  below = 0;
  onScroll();
}

export function toBottom() {
  view.toBottom();
  stickToBottom = true;
  lastTop = element.log.scrollTop;
}

/** The list or the window has another size: the end stays in sight if it was. */
export function keepBottom() {
  if (stickToBottom) toBottom();
}

/** A message has come into the room that is shown. */
export function noteArrival(own) {
  if (own) stickToBottom = true;
  if (!stickToBottom) below += 1;
}

/** Only going up lets go of the end: in a burst the list may grow before the scroll is told. */
export function onScroll() {
  const top = element.log.scrollTop;
  if (view.atBottom()) stickToBottom = true;
  else if (top < lastTop) stickToBottom = false;
  lastTop = top;
  if (stickToBottom) below = 0;
  if (stickToBottom && currentRoom()?.behind) catchUp(currentRoom());
  view.showBelow(below, !stickToBottom);
  if (element.log.scrollTop < NEAR_TOP_PX) askEarlier();
  scheduleRead();
}

/** After one message or a thousand of a burst: draw once what depends on them. */
export function settleSoon() {
  settling ||= setTimeout(settle, 16);
}

function settle() {
  settling = 0;
  const room = currentRoom();
  if (!room) return;
  const list = lists.get(tab.current);
  if (stickToBottom) {
    if (room.trim()) list.cutBefore(room.lowest);
    toBottom();
  } else if (room.cutEnd()) list.cutAfter(room.highest);
  list.showReaders(room.readBy);
  drawActivity();
  onScroll();
  refresh();
}

// ---------------------------------------------------------------- history and what is read

export function askHistory(room, before) {
  if (room.loading) return;
  const older = before === undefined ? {} : { before_seq: before };
  room.loading = Boolean(link.request("history", { room_id: room.id, limit: PAGE, ...older }));
}

/** Come back from far above: the newest page takes the place of what is here. */
function catchUp(room) {
  room.jump(room.resumeAt);
  lists.get(room.id).clearStored();
  askHistory(room);
}

export function askEarlier() {
  const room = currentRoom();
  if (!room?.loaded || !room.hasMore || room.loading || room.state !== "joined") return;
  askHistory(room, room.lowest ?? room.floor + 1);
  refresh();
}

/** Ask for the names behind `after`. */
export function askPeople(room, after = room.people.after) {
  const behind = after ? { after } : {};
  link.request("members", { room_id: room.id, limit: PEOPLE_PAGE, ...behind });
}

/** Somebody came or left unnamed: ask for the names again, by and by. */
export function askPeopleSoon(room) {
  room.peopleTimer ||= setTimeout(() => {
    room.peopleTimer = 0;
    if (room.state === "joined") askPeople(room, "");
  }, PEOPLE_AFTER_MS * (1 + 2 * Math.random()));
}

export function scheduleRead() {
  clearTimeout(readTimer);
  readTimer = setTimeout(() => {
    const room = currentRoom();
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
export function onReturn() {
  const room = currentRoom();
  if (document.hidden || !room) return;
  lists.get(tab.current).markUnread(room.firstUnread);
  room.firstUnread = null;
  onScroll();
}
