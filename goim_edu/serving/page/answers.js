// What the server says: one function for each type of message, and where a refusal is shown.

import { printableMessage, printableName } from "./printable.js";
import { PAGE, askHistory, askPeople, askPeopleSoon, noteArrival, pass, refresh, scheduleRead, settleSoon, toBottom } from "./reading.js";
import { flush } from "./sending.js";
import { inspector, joinRoom, link, lists, outbox, rooms, tab } from "./tab.js";
import * as view from "./view.js";
import { errorWords, listed } from "./words.js";

const RETRY_MS = 1_500; // where the server could not do something just now
const PASSING = new Set(["rate_limited", "unavailable", "internal"]); // asking again helps

let heldNotice = false; // a notice stands that the next ack makes untrue

export const answers = {
  welcome({ message }) {
    tab.limits = { ...tab.limits, ...message.limits };
    tab.heartbeat = message.heartbeat;
    tab.session = message.session_id;
    tab.refusedWhy = "";
    for (const room of rooms.values()) joinRoom(room);
    askStore();
  },

  joined({ message }) {
    const room = rooms.get(message.room_id);
    if (!room) return;
    Object.assign(room, { state: "joined", refusal: "" });
    room.people.reset(message.members, message.member_count);
    if (message.last_seq < (room.resumeAt ?? 0)) startAnew(room);
    if (message.truncated) {
      room.jump(message.last_seq);
      lists.get(room.id).clearStored();
      if (room.id === tab.current) {
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
      if (user_id === tab.name && outbox.find(client_msg_id)) outbox.remove(client_msg_id);
    }
    if (room.id !== tab.current || newest) add();
    else view.keepPlace(add);
    if (room.id === tab.current && newest) toBottom();
    settleSoon();
    scheduleRead();
  },

  message({ message }) {
    const room = rooms.get(message.room_id);
    if (!room) return;
    const own = message.user_id === tab.name;
    if (own) {
      if (outbox.find(message.client_msg_id)) outbox.remove(message.client_msg_id);
      inspector.follow(message.client_msg_id, "shown", { seq: message.seq });
    }
    if (room.contradicts(message)) startAnew(room);
    if (room.push(message)) showNew(room, message, own);
    else if (room.behind && room.id === tab.current) {
      noteArrival(own);
      settleSoon();
    }
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

  members({ message, request }) {
    const room = rooms.get(message.room_id);
    if (!room) return;
    const { members, member_count, has_more } = message;
    const news = room.people.addPage(members, member_count, request?.fields.after);
    if (!news && has_more) askPeople(room);
    refresh();
  },

  presence({ message }) {
    const room = rooms.get(message.room_id);
    if (!room) return;
    const { came, went } = room.people.change(message);
    for (const user of message.left) room.typing.delete(user);
    if (message.joined.length + message.left.length === 0) askPeopleSoon(room); // too many to be named
    if (room.id !== tab.current) return;
    const has = (names) => `${listed(names)} ${names.length === 1 ? "has" : "have"}`;
    if (came.length) pass(`${has(came)} come in`);
    else if (went.length) pass(`${has(went)} left`);
    settleSoon();
  },

  typing({ message }) {
    rooms.get(message.room_id)?.noteTyping(message.user_id);
    settleSoon();
  },

  read({ message: { room_id, user_id, seq } }) {
    const room = rooms.get(room_id);
    if (!room) return;
    room.readBy.set(user_id, Math.max(seq, room.readBy.get(user_id) ?? 0));
    settleSoon();
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
  if (room.id === tab.current) {
    view.showNotice("The server no longer has the earlier messages: it kept them in memory only.");
  }
}

function showNew(room, message, own) {
  const list = lists.get(room.id);
  const here = room.id === tab.current && !document.hidden;
  if (!own && !here && room.firstUnread === null) room.firstUnread = message.seq;
  list.addStored(message);
  if (!own && (room.id !== tab.current || document.hidden)) room.unread += 1;
  if (!own) {
    const where = room.id === tab.current ? "" : ` in ${printableName(room.id)}`;
    view.announce(`${printableName(message.user_id)}${where}: ${printableMessage(message.text)}`);
  }
  if (room.id === tab.current) {
    noteArrival(own);
  } else if (room.trim()) list.cutBefore(room.lowest);
  settleSoon();
}

/** The health page names the store; it is only for the inspector, so failing is fine. */
async function askStore() {
  try {
    const health = await (await fetch("healthz")).json();
    tab.store = typeof health.store === "string" ? health.store : "";
  } catch {
    tab.store = "";
  }
}

// ---------------------------------------------------------------- refusals

/** The server refused something: say so where it belongs. */
function refused(error, request) {
  const words = errorWords(error);
  switch (request?.type) {
    case "hello":
      tab.refusedWhy = words;
      break;
    case "join":
      refusedRoom(rooms.get(request.fields.room_id), error, words);
      break;
    case "send":
      refusedMessage(outbox.find(request.fields.client_msg_id), error, words);
      break;
    case "history":
      refusedHistory(rooms.get(request.fields.room_id), error, words);
      break;
    case "members":
    case "typing":
    case "read":
    case "leave":
      break; // the inspector shows it, and nothing waits for it
    default:
      view.showNotice(words, "bad");
  }
}

function refusedRoom(room, error, words) {
  if (!room) return;
  if (PASSING.has(error.code)) {
    setTimeout(() => link.state === "online" && joinRoom(room), RETRY_MS);
    room.refusal = `${words}. Trying again…`;
  } else {
    room.state = "refused";
    room.refusal = `${words}. Choose the room again to try once more.`;
  }
  refresh();
}

function refusedHistory(room, error, words) {
  if (!room) return;
  room.loading = false;
  if (PASSING.has(error.code) && !room.loaded) {
    setTimeout(() => room.state === "joined" && !room.loaded && askHistory(room), RETRY_MS);
  }
  view.showNotice(words, "bad");
  refresh();
}

function refusedMessage(item, error, words) {
  if (!item) return;
  const list = lists.get(item.room_id);
  if (PASSING.has(error.code)) {
    const wait = outbox.hold(item, words);
    list?.addPending(item);
    const trouble = error.code === "rate_limited" ? "Too much at once" : "The database does not answer";
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
