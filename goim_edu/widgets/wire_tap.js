// The browser's side of WireTap: a list that scrolls through any number of entries, the fields of
// the chosen one, and its bytes. What an entry means comes from the kernel, which asks `explain`.

const ROW = 22; // pixels
const SPARE = 30; // rows asked for above and below what is seen
const POLL_MS = 500;
const PER_LINE = 16; // bytes

const visible = (octet) => (octet > 0x20 && octet < 0x7f ? String.fromCharCode(octet) : "·");

function render({ model, el }) {
  const tell = (content) => model.send(content);
  let shown = 0; // entries that the filter lets through
  let selected = -1;
  let rows = new Map(); // number -> row, as far as they have been asked for
  let detail = null;
  let layer = 0; // which tab
  let timer;
  let stopped = false;

  // ------------------------------------------------------------------ the list

  const spacer = make("div", { className: "goim-tap-spacer" });
  const list = make("div", { className: "goim-tap-list", tabIndex: 0, role: "listbox" }, spacer);
  list.setAttribute("aria-label", "Captured requests, responses and frames");

  function drawRow(number) {
    const row = rows.get(number);
    const node = make("div", { className: "goim-tap-row", role: "option", id: `${uid}-${number}` });
    node.dataset.number = number;
    node.style.top = `${number * ROW}px`;
    node.setAttribute("aria-selected", number === selected);
    node.setAttribute("aria-setsize", shown);
    node.setAttribute("aria-posinset", number + 1);
    if (!row) return node;
    node.dataset.sender = row.sender;
    node.classList.toggle("goim-tap-wrong", row.wrong);
    const arrow = row.sender === "client" ? "→" : "←";
    const cells = [`#${row.connection}`, row.time, arrow, row.name, row.size.toLocaleString("en"), row.text];
    node.append(...cells.map((textContent) => make("span", { textContent })));
    if (row.wrong) node.append(make("span", { className: "goim-tap-sign", textContent: "✗" }));
    return node;
  }

  const uid = `goim-tap-${Math.random().toString(36).slice(2)}`;

  function range() {
    const first = Math.max(Math.floor(list.scrollTop / ROW) - SPARE, 0);
    const last = Math.min(Math.ceil((list.scrollTop + list.clientHeight) / ROW) + SPARE, shown);
    return [first, last];
  }

  function drawList() {
    const [first, last] = range();
    spacer.style.height = `${shown * ROW}px`;
    const nodes = [];
    for (let number = first; number < last; number++) nodes.push(drawRow(number));
    redraw(spacer, ...nodes);
    list.setAttribute("aria-activedescendant", selected < 0 ? "" : `${uid}-${selected}`);
    const lacking = nodes.findIndex((_, index) => !rows.has(first + index));
    if (lacking >= 0) tell({ type: "rows", from: first + lacking, count: last - first - lacking });
  }

  function choose(number) {
    if (number < 0 || number >= shown) return;
    selected = number;
    tell({ type: "select", number });
    if (number * ROW < list.scrollTop) list.scrollTop = number * ROW;
    const below = (number + 1) * ROW - list.clientHeight;
    if (below > list.scrollTop) list.scrollTop = below;
    drawList();
  }

  list.addEventListener("scroll", () => requestAnimationFrame(drawList));
  list.addEventListener("click", (event) => {
    const row = event.target.closest("[data-number]");
    if (row) choose(Number(row.dataset.number));
  });
  list.addEventListener("keydown", (event) => {
    const page = Math.floor(list.clientHeight / ROW);
    const moves = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page };
    let next;
    if (event.key in moves) next = Math.min(Math.max(selected + moves[event.key], 0), shown - 1);
    else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = shown - 1;
    else return;
    event.preventDefault();
    choose(next);
  });

  // ------------------------------------------------------------------ fields and bytes

  const title = make("p", { className: "goim-tap-title", role: "status" });
  const fields = make("div", { className: "goim-tap-fields", role: "listbox" });
  fields.setAttribute("aria-label", "Fields");
  const tabs = make("div", { className: "goim-tap-tabs", role: "tablist" });
  const bytes = make("div", { className: "goim-tap-bytes", role: "tabpanel" });
  const said = make("p", { className: "goim-tap-said", role: "status" });

  const paint = (node, role) => paintRole(node, model.get("colours"), role);

  function drawDetail() {
    title.textContent = detail ? detail.title : "Choose an entry of the list.";
    title.dataset.state = detail?.state ?? "none";
    if (detail) title.append(make("span", { textContent: ` — ${detail.verdict}` }));
    fields.replaceChildren(...(detail?.fields ?? []).map(drawField));
    layer = Math.min(layer, Math.max((detail?.layers.length ?? 0) - 1, 0));
    drawTabs();
    drawBytes();
    said.textContent = detail ? "Click a field or a byte: what belongs together lights up." : "";
  }

  function drawField(field, index) {
    const where = field.whole
      ? field.first === field.last
        ? `byte ${field.first}`
        : `bytes ${field.first}–${field.last}`
      : `byte ${field.first}, bit ${field.bits}`;
    const node = make(
      "button",
      { type: "button", className: "goim-tap-field", role: "option", tabIndex: index ? -1 : 0 },
      make("span", { className: "goim-tap-swatch" }),
      make("b", { textContent: field.name }),
      make("span", { className: "goim-tap-value", textContent: field.value }),
      make("small", { textContent: where }),
    );
    node.dataset.field = index;
    node.title = `${field.meaning} [${field.section}]`;
    node.setAttribute("aria-selected", false);
    node.classList.toggle("goim-tap-wrong", field.wrong);
    paint(node, field.role);
    return node;
  }

  function drawTabs() {
    const layers = detail?.layers ?? [];
    tabs.replaceChildren(
      ...layers.map(({ name }, index) => {
        const tab = make("button", { type: "button", role: "tab", textContent: name });
        tab.setAttribute("aria-selected", index === layer);
        tab.tabIndex = index === layer ? 0 : -1;
        tab.dataset.tab = index;
        return tab;
      }),
    );
  }

  function drawBytes() {
    const chosen = detail?.layers[layer];
    if (!chosen) return bytes.replaceChildren();
    const nodes = "text" in chosen ? [make("pre", { textContent: chosen.text })] : dump(chosen);
    if (chosen.more) nodes.push(make("p", { textContent: `… and ${chosen.more.toLocaleString("en")} more` }));
    bytes.replaceChildren(...nodes);
  }

  function dump({ octets, offset }) {
    const lines = [];
    for (let first = 0; first < octets.length; first += PER_LINE) {
      const line = make("div", { className: "goim-tap-line" });
      line.append(make("span", { className: "goim-tap-address", textContent: hex(first >> 8) + hex(first & 255) }));
      const part = octets.slice(first, first + PER_LINE);
      part.forEach((octet, index) => line.append(drawByte(octet, first + index, offset)));
      for (let lack = part.length; lack < PER_LINE; lack++) line.append(make("span"));
      line.append(make("span", { className: "goim-tap-ascii", textContent: part.map(visible).join("") }));
      lines.push(line);
    }
    return lines;
  }

  function drawByte(octet, index, offset) {
    const linked = offset !== null && offset !== undefined;
    const node = make(linked ? "button" : "span", { className: "goim-tap-byte", textContent: hex(octet) });
    if (!linked) return node;
    const at = index + offset; // its number on the wire
    const owner = detail.fields.find((field) => field.first <= at && at <= field.last);
    node.type = "button";
    node.tabIndex = index ? -1 : 0;
    node.dataset.at = at;
    node.setAttribute("aria-label", `byte ${at}, 0x${hex(octet)}, ${owner?.name ?? ""}`);
    if (owner) paint(node, owner.role);
    return node;
  }

  // What is lit: fields by number, bytes by their place on the wire.
  function light(fieldNumbers, from, to) {
    for (const node of fields.children) {
      const lit = fieldNumbers.includes(Number(node.dataset.field));
      node.setAttribute("aria-selected", lit);
      if (lit && node !== document.activeElement) node.scrollIntoView({ block: "nearest" });
    }
    for (const node of bytes.querySelectorAll("[data-at]")) {
      const at = Number(node.dataset.at);
      node.classList.toggle("goim-tap-lit", from <= at && at <= to);
    }
    const chosen = fieldNumbers.map((number) => detail.fields[number]);
    said.textContent = chosen.map((field) => `${field.name}: ${field.meaning} [${field.section}]`).join("  ·  ");
  }

  const lightField = (number) => light([number], detail.fields[number].first, detail.fields[number].last);
  function lightByte(at) {
    const owners = detail.fields.map((field, number) => ({ field, number }));
    const hit = owners.filter(({ field }) => field.first <= at && at <= field.last);
    const from = Math.min(at, ...hit.map(({ field }) => field.first));
    const to = Math.max(at, ...hit.map(({ field }) => field.last));
    light(hit.map(({ number }) => number), from, to);
  }

  fields.addEventListener("click", (event) => {
    const node = event.target.closest("[data-field]");
    if (!node) return;
    if (detail.layers[layer].offset === undefined || detail.layers[layer].offset === null) showTab(0);
    lightField(Number(node.dataset.field));
  });
  bytes.addEventListener("click", (event) => {
    const node = event.target.closest("[data-at]");
    if (node) lightByte(Number(node.dataset.at));
  });

  walk(fields, "[data-field]", (node) => lightField(Number(node.dataset.field)));
  walk(bytes, "[data-at]", (node) => lightByte(Number(node.dataset.at)), () => PER_LINE);
  walk(tabs, "[data-tab]", (node) => showTab(Number(node.dataset.tab)));

  function showTab(number) {
    layer = number;
    const hadFocus = tabs.contains(document.activeElement);
    drawTabs();
    drawBytes();
    if (hadFocus) tabs.children[layer]?.focus();
  }
  tabs.addEventListener("click", (event) => {
    const tab = event.target.closest("[data-tab]");
    if (tab) showTab(Number(tab.dataset.tab));
  });

  // ------------------------------------------------------------------ filter, pause, news

  const filter = make("input", { type: "search", placeholder: "words, ping, client, #2, wrong" });
  filter.addEventListener("input", () => tell({ type: "filter", words: filter.value }));
  const pause = make("button", { type: "button" });
  pause.addEventListener("click", () => tell({ type: "pause", value: pause.textContent === "Pause" }));
  const count = make("span", { role: "status" });

  function onCount(news) {
    // A reader at the end wants to see what comes; a reader who has just opened it begins at the top.
    const atEnd = list.scrollTop + list.clientHeight >= spacer.offsetHeight - ROW;
    const following = atEnd && shown > 0;
    if (news.shown < shown || news.wanted !== filter.dataset.wanted) rows = new Map();
    filter.dataset.wanted = news.wanted;
    if (document.activeElement !== filter) filter.value = news.wanted;
    const grew = news.shown > shown;
    shown = news.shown;
    selected = news.selected;
    pause.textContent = news.paused ? "Go on" : "Pause";
    const of = news.shown === news.total ? "" : ` of ${news.total.toLocaleString("en")}`;
    const full = news.full ? ", the recording is full" : "";
    count.textContent = `${news.shown.toLocaleString("en")}${of} entries${full}`;
    drawList();
    if (grew && following && !news.paused) list.scrollTop = spacer.offsetHeight;
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(() => tell({ type: "poll" }), POLL_MS);
  }

  function onMessage(message) {
    if (message.type === "count") onCount(message);
    if (message.type === "rows") {
      message.rows.forEach((row, index) => rows.set(message.from + index, row));
      if (message.rows.length) drawList();
    }
    if (message.type === "detail") {
      detail = message.detail;
      selected = message.number;
      drawDetail();
      drawList();
    }
  }

  furnish(el, "goim-tap", "Wire tap");
  el.append(
    make("div", { className: "goim-bar goim-tap-bar" }, labelled("show only", filter), pause, count),
    list,
    title,
    make("div", { className: "goim-tap-detail" }, fields, make("div", { className: "goim-tap-right" }, tabs, bytes)),
    said,
  );
  const leave = listen(model, { "msg:custom": onMessage });
  drawDetail();
  tell({ type: "poll" });
  return () => {
    stopped = true;
    clearTimeout(timer);
    leave();
  };
}

export default { render };
