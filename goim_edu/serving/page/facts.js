// What the inspector tells about the connection.

import { inspector, link, outbox, tab } from "./tab.js";
import { element } from "./view.js";
import { clock } from "./words.js";

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
    rows.push(["Session", tab.session]);
  } else {
    rows.push(["State", [element.connectionText.textContent, link.why].filter(Boolean).join(": ")]);
  }
  if (tab.heartbeat) {
    rows.push(["Heartbeat", `the server pings every ${tab.heartbeat.interval} s; the browser answers unseen`]);
  }
  if (tab.store) rows.push(["Store", tab.store]);
  if (outbox.items.length) rows.push(["Not yet stored", `${outbox.items.length} of yours`]);
  if (facts.buffered) rows.push(["In the browser", `${facts.buffered} octets not yet handed to the network`]);
  return rows;
};
