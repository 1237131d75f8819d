// The browser's side of MaskLab: payload, key and result in columns, a bit over a bit. The kernel
// masks; what is clicked or typed here goes to it, and what it answers is drawn.

const OCTETS = 4; // in a row, so that each row has the key once

function render({ model, el }) {
  const view = () => model.get("view");
  const tell = (content) => model.send(content);
  let focused = { of: "payload", line: 0, column: 0 }; // the bit that Tab goes to

  // ------------------------------------------------------------------ the bits

  const bits = make("div", { className: "goim-mask-bits", role: "group" });
  bits.setAttribute("aria-label", "Bits of payload and key. Arrow keys move, Space flips.");
  const bitOf = (octet, bit) => (octet >> (7 - bit)) & 1;
  const sign = (octet) => (octet > 0x20 && octet < 0x7f ? ` ${String.fromCharCode(octet)}` : "");

  // The lines of a row: what stands there, whose bits can be flipped there, and whether those are
  // marked where the key has a 1.
  function bands() {
    const { payload, key, wire, again, masking, twice } = view();
    const keys = payload.map((_, index) => key[index % OCTETS]);
    const once = [
      { name: "payload", octets: payload, role: "payload", of: "payload", turns: false },
      { name: "⊕ key", octets: payload.length < OCTETS ? key : keys, role: "key", of: "key", turns: masking },
      { name: "= on the wire", octets: wire, role: "wire", turns: masking },
    ];
    const second = [
      { name: "⊕ key", octets: keys, role: "key", turns: masking },
      { name: "= payload again", octets: again, role: "payload", turns: masking },
    ];
    return twice ? [...once, ...second] : once;
  }

  function drawBand(band, line) {
    const node = make("div", { className: "goim-mask-band" }, make("span", { className: "goim-mask-name", textContent: band.name }));
    node.classList.toggle("goim-mask-off", band.role === "key" && !view().masking);
    const octets = band.octets.slice(line * OCTETS, line * OCTETS + OCTETS);
    octets.forEach((octet, index) => node.append(drawOctet(band, octet, line, index)));
    return node;
  }

  function drawOctet(band, octet, line, index) {
    const number = line * OCTETS + index;
    const said = band.role === "key" ? `key ${index}: 0x${hex(octet)}` : `${number}: 0x${hex(octet)}${sign(octet)}`;
    const cells = make("div", { className: "goim-mask-cells" });
    for (let bit = 0; bit < 8; bit++) {
      const column = index * 8 + bit;
      const node = band.of ? drawButton(band, octet, line, column) : make("span", { className: "goim-mask-bit" });
      node.textContent = bitOf(octet, bit);
      node.dataset.cell = `${line}-${column}`;
      node.classList.toggle("goim-mask-turns", band.turns && bitOf(view().key[index], bit) === 1);
      cells.append(node);
    }
    if (!band.of) {
      cells.setAttribute("role", "img");
      cells.setAttribute("aria-label", `${band.name}, octet ${number}: ${octet.toString(2).padStart(8, "0")}`);
    }
    const node = make("div", { className: "goim-mask-octet" }, make("div", { className: "goim-mask-strip", textContent: said }), cells);
    paintRole(node, model.get("colours"), band.role);
    return node;
  }

  function drawButton(band, octet, line, column) {
    const { of } = band;
    const bit = of === "key" ? column : line * OCTETS * 8 + column;
    const here = focused.of === of && focused.line === line && focused.column === column;
    const node = make("button", { type: "button", className: "goim-mask-bit", tabIndex: here ? 0 : -1 });
    node.dataset.of = of;
    node.dataset.line = line;
    node.dataset.column = column;
    node.dataset.bit = bit;
    const value = bitOf(octet, column % 8);
    const again = line ? ` over payload octet ${line * OCTETS + (column >> 3)}` : ""; // the key repeats
    const where = of === "key" ? `key octet ${column >> 3}${again}` : `payload octet ${bit >> 3}`;
    node.setAttribute("aria-label", `${where}, bit ${column % 8}, ${value}`);
    node.setAttribute("aria-pressed", value === 1);
    return node;
  }

  const button = ({ of, line, column }) => bits.querySelector(`[data-of="${of}"][data-line="${line}"][data-column="${column}"]`);

  function drawBits() {
    const hadFocus = bits.contains(document.activeElement);
    const lit = bits.querySelector(".goim-mask-lit")?.dataset.cell;
    const { payload, total } = view();
    const rows = [];
    for (let line = 0; line < Math.max(Math.ceil(payload.length / OCTETS), 1); line++) {
      rows.push(make("div", { className: "goim-mask-row" }, ...bands().map((band) => drawBand(band, line))));
    }
    const hidden = total - payload.length;
    if (hidden > 0) {
      const how = view().masking ? ", with the same key again and again" : "";
      const said = `… and ${thousands(hidden)} octets more${how}`;
      rows.push(make("p", { className: "goim-mask-more", textContent: said }));
    }
    redraw(bits, ...rows);
    if (!button(focused)) {
      const first = bits.querySelector("[data-of]");
      focused = { of: first.dataset.of, line: 0, column: 0 };
      first.tabIndex = 0;
    }
    if (hadFocus) button(focused).focus();
    light(lit && bits.querySelector(`[data-cell="${lit}"]`));
  }

  const placeOf = ({ dataset }) => ({ of: dataset.of, line: Number(dataset.line), column: Number(dataset.column) });

  function goTo(node) {
    const before = button(focused);
    if (before) before.tabIndex = -1;
    focused = placeOf(node);
    node.tabIndex = 0;
    node.focus();
  }

  bits.addEventListener("click", (event) => {
    const node = event.target.closest("[data-of]");
    if (!node) return;
    goTo(node);
    tell({ type: "flip", of: node.dataset.of, bit: Number(node.dataset.bit) });
  });

  bits.addEventListener("keydown", (event) => {
    const lines = [...bits.querySelectorAll(".goim-mask-band:has([data-of])")];
    const at = lines.findIndex((band) => band.contains(document.activeElement));
    if (at < 0) return;
    const cells = (band) => [...(lines[band]?.querySelectorAll("[data-of]") ?? [])];
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    let next;
    if (event.key in moves) {
      const [down, right] = moves[event.key];
      next = cells(at + down)[focused.column + right];
    } else if (event.key === "Home") next = cells(at)[0];
    else if (event.key === "End") next = cells(at).at(-1);
    else return;
    event.preventDefault();
    if (next) goTo(next);
  });

  // The bits of one column belong together: they light up where the mouse or the focus is.
  function light(node) {
    const cell = node?.closest?.("[data-cell]")?.dataset.cell;
    for (const lit of bits.querySelectorAll(".goim-mask-lit")) lit.classList.remove("goim-mask-lit");
    if (!cell) return;
    for (const lit of bits.querySelectorAll(`[data-cell="${cell}"]`)) lit.classList.add("goim-mask-lit");
  }
  bits.addEventListener("pointerover", (event) => light(event.target));
  bits.addEventListener("pointerleave", () => light(bits.contains(document.activeElement) ? document.activeElement : null));
  bits.addEventListener("focusin", (event) => light(event.target));
  bits.addEventListener("focusout", () => light(null));

  // ------------------------------------------------------------------ the controls

  const payload = make("input", { type: "text", className: "goim-wide", spellcheck: false });
  const asHex = make("input", { type: "checkbox" });
  const keys = [0, 1, 2, 3].map((octet) => {
    const node = make("input", { type: "text", size: 2, maxLength: 2, className: "goim-mono", spellcheck: false });
    node.setAttribute("aria-label", `key octet ${octet}`);
    const send = () => tell({ type: "key", octet, hex: node.value });
    node.addEventListener("input", () => {
      if (/^[0-9a-f]{2}$/i.test(node.value)) send();
    });
    node.addEventListener("change", () => {
      if (!/^[0-9a-f]{2}$/i.test(node.value)) send(); // the kernel says what is wrong
    });
    return node;
  });
  const fresh = make("button", { type: "button", textContent: "fresh key" });
  fresh.addEventListener("click", () => tell({ type: "fresh" }));
  const switchOf = (name) => {
    const node = make("input", { type: "checkbox" });
    node.addEventListener("change", () => tell({ type: name, value: node.checked }));
    return node;
  };
  const masking = switchOf("masking");
  const twice = switchOf("twice");
  const refused = make("p", { className: "goim-refused", role: "alert" });

  // Half a pair of hex digits is not an octet yet, so hex digits wait until they are entered.
  const sendPayload = () => tell({ type: "payload", text: payload.value, asHex: asHex.checked });
  payload.addEventListener("input", () => {
    if (!asHex.checked) sendPayload();
  });
  payload.addEventListener("change", sendPayload);
  payload.addEventListener("keydown", (event) => {
    if (event.key === "Enter") sendPayload();
  });
  asHex.addEventListener("change", () => {
    if (!asHex.checked && view().text === null) {
      asHex.checked = true;
      refused.textContent = "These octets are not text that can be shown, so they stay hex digits.";
      return;
    }
    payload.value = asHex.checked ? view().hex : view().text;
  });

  function drawControls() {
    const { text, hex: digits, key, long } = view();
    if (text === null) asHex.checked = true;
    if (document.activeElement !== payload) payload.value = asHex.checked ? digits : text;
    payload.placeholder = long ? "too long to show: type a new one" : "";
    keys.forEach((node, octet) => {
      if (document.activeElement !== node || /^[0-9a-f]{2}$/i.test(node.value)) node.value = hex(key[octet]);
      node.disabled = !view().masking;
    });
    fresh.disabled = !view().masking;
    masking.checked = view().masking;
    twice.checked = view().twice;
    refused.textContent = "";
  }

  // ------------------------------------------------------------------ together

  const verdict = make("p", { className: "goim-verdict", role: "status" });
  const [table, lines] = tableOf(["", "octets", "as text"], "goim-mask-lines");

  function draw() {
    drawControls();
    drawBits();
    sayVerdict(verdict, view().state, view().verdict);
    lines.replaceChildren(
      ...view().lines.map((line) =>
        make(
          "tr",
          {},
          make("th", { scope: "row", textContent: line.name }),
          make("td", { className: "goim-mono", textContent: line.hex }),
          make("td", { className: "goim-mono", textContent: line.text }),
        ),
      ),
    );
  }

  furnish(el, "goim-mask", "Mask lab");
  const group = make("span", { className: "goim-mask-key", role: "group" }, make("span", { textContent: "key" }), ...keys, fresh);
  group.setAttribute("aria-label", "Masking key");
  el.append(
    make("div", { className: "goim-bar" }, labelled("payload", payload), labelled("as hex", asHex)),
    make("div", { className: "goim-bar" }, group, labelled("masked", masking), labelled("show masking twice", twice)),
    refused,
    verdict,
    bits,
    table,
  );
  draw();
  return listen(model, { "change:view": draw, "msg:custom": (message) => sayRefused(refused, message) });
}

export default { render };
