// The browser's side of BsonLab: two editors for one document, its elements and its bytes. The
// kernel reads and encodes; here is only drawn what it found, and lit up what belongs together.

const PER_LINE = 16; // bytes

function render({ model, el }) {
  const view = () => model.get("view");
  const tell = (content) => model.send(content);
  const visible = (octet) => (octet > 0x20 && octet < 0x7f ? String.fromCharCode(octet) : "·");

  // ------------------------------------------------------------------ the editors

  const refused = make("p", { className: "goim-refused", role: "alert" });
  const preset = make("select");
  const menuOf = (title, broken) => {
    const entries = model.get("menu").filter((entry) => entry.broken === broken);
    const node = make("optgroup", {}, ...entries.map(({ name }) => make("option", { value: name, textContent: name })));
    node.label = title;
    return node;
  };
  preset.append(make("option", { value: "", textContent: "choose …" }), menuOf("good documents", false), menuOf("damaged ones", true));
  preset.addEventListener("change", () => {
    if (preset.value) tell({ type: "load", name: preset.value });
  });

  // What is being typed in is left alone: it is drawn anew when the focus goes, if it was good.
  function editor(type, name) {
    const node = make("textarea", { className: "goim-mono goim-bson-text", rows: 8, spellcheck: false });
    node.setAttribute("aria-label", name);
    node.addEventListener("input", () => {
      tell({ type, text: node.value });
    });
    node.addEventListener("blur", () => {
      if (!refused.textContent) node.value = view()[type];
    });
    return node;
  }
  const json = editor("json", "The document as JSON");
  const digits = editor("hex", "The document as hex bytes");
  const note = make("p", { className: "goim-bson-note" });

  function drawEditors() {
    if (document.activeElement !== json) json.value = view().json;
    if (document.activeElement !== digits) digits.value = view().hex;
    json.placeholder = view().state === "wrong" ? "Damaged bytes have no JSON. Mend them, or type a document here." : "";
    preset.value = view().preset;
    note.textContent = view().note;
    refused.textContent = "";
  }

  // ------------------------------------------------------------------ elements and bytes

  // A line of the list, its head included: what it says, its type, where it starts, how long it is.
  const cellsOf = (texts) => texts.map((textContent, index) => make("span", { className: `goim-bson-cell-${index}`, textContent, title: textContent }));
  const verdict = make("p", { className: "goim-verdict", role: "status" });
  const elements = make("div", { className: "goim-bson-elements", role: "listbox" });
  elements.setAttribute("aria-label", "Elements");
  const head = make("div", { className: "goim-bson-head" }, make("span"), ...cellsOf(["name = value", "type", "from", "bytes"]));
  head.setAttribute("aria-hidden", true); // each element says it all by itself
  const bytes = make("div", { className: "goim-bson-bytes goim-mono", role: "group" });
  bytes.setAttribute("aria-label", "Bytes. Arrow keys move, two hex digits replace a byte.");
  const said = make("p", { className: "goim-bson-said", role: "status" });
  const HINT = "Click an element or a byte: what belongs together lights up. Two hex digits typed on a byte replace it.";

  let selected = -1;
  let focused = 0; // number of the byte that Tab goes to
  let typed = ""; // the first digit of a new byte

  const paint = (node, kind) => paintRole(node, model.get("colours"), kind);

  function drawElement(row, number) {
    const node = make(
      "button",
      { type: "button", className: "goim-bson-element", role: "option", tabIndex: number === Math.max(selected, 0) ? 0 : -1 },
      make("span", { className: "goim-bson-swatch" }),
      ...cellsOf([row.text, row.type, row.first, row.size]),
    );
    node.style.setProperty("--goim-depth", Math.min(row.depth, 6));
    node.dataset.element = number;
    node.setAttribute("aria-selected", false);
    const size = `${row.size} ${row.size === 1 ? "byte" : "bytes"} from byte ${row.first}`;
    node.setAttribute("aria-label", [row.text, row.type && `type ${row.type}`, size].filter(Boolean).join(", "));
    node.classList.toggle("goim-bson-typeless", !row.type);
    node.classList.toggle("goim-bson-wrong", row.kind === "unread");
    paint(node, row.kind);
    return node;
  }

  const rowAt = (at) => view().rows.findIndex((row) => row.first <= at && at <= row.last);
  const pieceAt = (row, at) => row?.pieces.find((piece) => piece.first <= at && at <= piece.last);

  function drawByte(octet, at) {
    const node = make("button", { type: "button", className: "goim-bson-byte", textContent: hex(octet), tabIndex: at === focused ? 0 : -1 });
    const row = view().rows[rowAt(at)];
    const piece = pieceAt(row, at);
    node.dataset.at = at;
    node.classList.toggle("goim-bson-wrong", at === view().wrongAt);
    node.setAttribute("aria-label", `byte ${at}, 0x${hex(octet)}, ${piece?.kind ?? ""} of ${row?.text ?? "the document"}`);
    if (piece) paint(node, piece.kind);
    return node;
  }

  function drawBytes() {
    const { octets, more } = view();
    const hadFocus = bytes.contains(document.activeElement);
    const scrolled = bytes.scrollTop;
    focused = Math.max(Math.min(focused, octets.length - 1), 0);
    const lines = [];
    for (let first = 0; first < octets.length; first += PER_LINE) {
      const part = octets.slice(first, first + PER_LINE);
      const line = make("div", { className: "goim-bson-line" }, make("span", { className: "goim-bson-address", textContent: first }));
      line.append(...part.map((octet, index) => drawByte(octet, first + index)));
      const ascii = make("span", { className: "goim-bson-ascii", textContent: part.map(visible).join("") });
      ascii.setAttribute("aria-hidden", true);
      line.append(ascii);
      lines.push(line);
    }
    if (more) lines.push(make("p", { textContent: `… and ${thousands(more)} bytes more` }));
    bytes.replaceChildren(...lines);
    bytes.scrollTop = scrolled;
    if (hadFocus) bytes.querySelector(`[data-at="${focused}"]`)?.focus();
  }

  function drawElements() {
    const { rows, moreRows } = view();
    const hadFocus = elements.contains(document.activeElement);
    const scrolled = elements.scrollTop;
    elements.replaceChildren(...rows.map(drawElement));
    if (moreRows) elements.append(make("p", { textContent: `… and ${thousands(moreRows)} elements more` }));
    elements.scrollTop = scrolled;
    if (hadFocus) elements.querySelector("[tabindex='0']")?.focus();
  }

  // Scroll inside its own box only: the notebook stays where it is.
  function reveal(box, node) {
    const [outer, inner] = [box.getBoundingClientRect(), node.getBoundingClientRect()];
    if (inner.top < outer.top) box.scrollTop -= outer.top - inner.top;
    if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom;
  }

  // Light up element `number`: its own bytes, and what lies in it if it is a document.
  function light(number, words) {
    selected = number;
    const row = view().rows[number];
    for (const node of elements.querySelectorAll("[data-element]")) {
      const lit = Number(node.dataset.element) === number;
      node.setAttribute("aria-selected", lit);
      node.tabIndex = lit || (!row && node === elements.firstChild) ? 0 : -1;
      if (lit) reveal(elements, node);
    }
    for (const node of bytes.querySelectorAll("[data-at]")) {
      const at = Number(node.dataset.at);
      node.classList.toggle("goim-bson-lit", Boolean(row) && row.first <= at && at <= row.last);
      node.classList.toggle("goim-bson-within", Boolean(row) && row.last < at && at <= row.until);
    }
    const first = row && bytes.querySelector(`[data-at="${row.first}"]`);
    if (first && !bytes.contains(document.activeElement)) reveal(bytes, first);
    said.replaceChildren(...(words ?? (row ? wordsOn(row) : [HINT])).map((textContent) => make("span", { textContent })));
  }

  // What is said of an element, in two lines: what it is, and its bytes by their kind.
  function wordsOn(row) {
    const remark = row.remark ? ` — ${row.remark}` : "";
    return [`${row.text}${remark}`, row.pieces.map((piece) => piece.said).join("  ·  ")];
  }

  // The kernel tells of every change; of those that began here, nothing is to be done again.
  const told = [];
  function choose(number, words) {
    if (number !== selected) {
      told.push(number);
      tell({ type: "select", number });
    }
    light(number, words);
  }
  function onSelected() {
    const at = told.indexOf(model.get("selected"));
    if (at >= 0) told.splice(0, at + 1);
    else light(model.get("selected"));
  }

  function chooseByte(at) {
    typed = "";
    const number = rowAt(at);
    const row = view().rows[number];
    const piece = pieceAt(row, at);
    const here = at === view().wrongAt ? view().verdict : `byte ${at}, 0x${hex(view().octets[at])}`;
    const of = piece?.kind === "unread" ? [] : wordsOn(row).slice(0, 1);
    choose(number, piece && [`${here} — ${piece.said}`, ...of]);
  }

  elements.addEventListener("click", (event) => {
    const node = event.target.closest("[data-element]");
    if (node) choose(Number(node.dataset.element));
  });
  bytes.addEventListener("click", (event) => {
    const node = event.target.closest("[data-at]");
    if (!node) return;
    bytes.querySelector("[data-at][tabindex='0']")?.setAttribute("tabindex", "-1");
    node.tabIndex = 0;
    focused = Number(node.dataset.at);
    node.focus();
    chooseByte(focused);
  });
  walk(elements, "[data-element]", (node) => choose(Number(node.dataset.element)));
  const chooseNode = (node) => {
    focused = Number(node.dataset.at);
    chooseByte(focused);
  };
  walk(bytes, "[data-at]", chooseNode, () => PER_LINE);
  bytes.addEventListener("keydown", (event) => {
    const node = event.target.closest("[data-at]");
    if (!node || !/^[0-9a-f]$/i.test(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (!typed) {
      typed = event.key.toLowerCase();
      node.textContent = `${typed}_`;
      return;
    }
    tell({ type: "put", at: Number(node.dataset.at), octet: parseInt(typed + event.key, 16) });
    typed = "";
  });
  bytes.addEventListener("focusout", (event) => {
    const node = event.target.closest("[data-at]");
    if (node && typed) node.textContent = hex(view().octets[Number(node.dataset.at)]);
    typed = "";
  });

  // ------------------------------------------------------------------ together

  function draw() {
    drawEditors();
    sayVerdict(verdict, view().state, view().verdict);
    selected = model.get("selected");
    told.length = 0;
    drawElements();
    drawBytes();
    light(selected);
  }
  const onMessage = (message) => {
    if (message.type === "refused") refused.textContent = `That does not work yet: ${message.text}. The bytes below are as they were.`;
  };

  furnish(el, "goim-bson", "BSON lab");
  const half = (title, node, ...more) => make("div", { className: "goim-bson-half" }, make("span", { textContent: title }), node, ...more);
  el.append(
    make("div", { className: "goim-bar" }, labelled("start from", preset)),
    make("div", { className: "goim-bson-halves" }, half("as extended JSON", json, note), half("as bytes, in hex digits", digits)),
    refused,
    verdict,
    make("div", { className: "goim-bson-detail" }, make("div", { className: "goim-bson-list" }, head, elements), bytes),
    said,
  );
  draw();
  return listen(model, { "change:view": draw, "change:selected": onSelected, "msg:custom": onMessage });
}

export default { render };
