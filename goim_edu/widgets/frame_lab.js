// The browser's side of FrameLab. It draws `view`, which the kernel computes with the real decoder,
// and tells the kernel what was clicked or typed; it decides nothing about frames by itself.

const ROOM = { 32: 860, 16: 430 }; // pixels that so many bits in a row need

function render({ model, el }) {
  const view = () => model.get("view");
  const tell = (content) => model.send(content);
  let focused = 0; // number of the bit that Tab goes to

  // ------------------------------------------------------------------ the bits

  const bits = make("div", { className: "goim-lab-bits", role: "group" });
  bits.setAttribute("aria-label", "Bits of the frame. Arrow keys move, Space flips.");

  const fieldAt = (bit) => view().fields.find((field) => field.start <= bit && bit < field.start + field.length);
  const bitAt = (bit) => (view().octets[bit >> 3] >> (7 - (bit & 7))) & 1;
  const shownBits = () => view().octets.length * 8;

  function paint(node, field, kind) {
    paintRole(node, model.get("colours"), field.role);
    node.classList.add(kind);
    node.classList.toggle("goim-lab-wrong", field.wrong);
  }

  function label(bit) {
    const field = fieldAt(bit);
    return `bit ${bit}, ${field.name}, ${bitAt(bit)}`;
  }

  function drawRow(first, width) {
    const row = make("div", { className: "goim-lab-row" });
    row.style.setProperty("--goim-columns", width);
    const end = Math.min(first + width, shownBits());
    // The bits come first, so that each keeps its place when fields come and go: see redraw.
    for (let bit = first; bit < end; bit++) {
      const button = make("button", {
        type: "button",
        className: "goim-mono goim-lab-bit",
        textContent: bitAt(bit),
        tabIndex: bit === focused ? 0 : -1,
      });
      button.dataset.bit = bit;
      button.setAttribute("aria-label", label(bit));
      button.setAttribute("aria-pressed", bitAt(bit) === 1);
      const field = fieldAt(bit);
      paint(button, field, "goim-lab-tint");
      button.title = `${field.name}: ${field.meaning}`;
      button.style.gridColumn = bit - first + 1;
      row.append(button);
    }
    for (const field of view().fields) {
      const from = Math.max(field.start, first);
      const to = Math.min(field.start + field.length, end);
      if (from >= to) continue;
      const span = to - from;
      const name = make("div", { className: "goim-lab-name", textContent: field.name, title: field.name });
      if (span < 4) name.classList.add("goim-lab-narrow");
      name.style.gridColumn = `${from - first + 1} / span ${span}`;
      paint(name, field, "goim-lab-strip");
      row.append(name);
    }
    for (let octet = first / 8; octet < Math.ceil(end / 8); octet++) {
      const text = `0x${hex(view().octets[octet])}`;
      const under = make("div", { className: "goim-mono goim-lab-octet", textContent: text });
      under.style.gridColumn = `${octet * 8 - first + 1} / span 8`;
      row.append(under);
    }
    const number = make("span", { className: "goim-lab-number", textContent: `byte ${first / 8}` });
    return make("div", { className: "goim-lab-line" }, number, row);
  }

  // The numbers of the bits of the first row; each button says its own, too.
  function drawRuler(width) {
    const said = make("div", {
      className: "goim-lab-counts",
      textContent: "bits, counted from the left: in its byte, bit 0 is worth 128, bit 7 is worth 1",
    });
    const ruler = make("div", { className: "goim-mono goim-lab-ruler" });
    ruler.style.setProperty("--goim-columns", width);
    for (let bit = 0; bit < width; bit++) ruler.append(make("span", { textContent: bit }));
    ruler.setAttribute("aria-hidden", "true");
    const name = make("span", { className: "goim-lab-number", textContent: "bit" });
    return [said, make("div", { className: "goim-lab-line" }, name, ruler)];
  }

  // As many bits in a row as were asked for, or fewer where the names of single bits would be cut.
  function perLine() {
    const width = bits.clientWidth || ROOM[32]; // 0 before it is shown
    return Math.min(model.get("columns"), width >= ROOM[32] ? 32 : width >= ROOM[16] ? 16 : 8);
  }

  function drawBits() {
    const hadFocus = bits.contains(document.activeElement);
    const width = perLine();
    focused = Math.min(focused, Math.max(shownBits() - 1, 0));
    const rows = shownBits() ? drawRuler(width) : [];
    for (let first = 0; first < shownBits(); first += width) rows.push(drawRow(first, width));
    const hidden = view().total - view().octets.length;
    if (hidden > 0) {
      rows.push(make("p", { className: "goim-lab-more", textContent: `… and ${hidden.toLocaleString("en")} bytes more` }));
    }
    redraw(bits, ...rows);
    if (hadFocus) bits.querySelector(`[data-bit="${focused}"]`)?.focus();
  }

  bits.addEventListener("click", (event) => {
    const button = event.target.closest("[data-bit]");
    if (!button) return;
    focused = Number(button.dataset.bit);
    button.focus();
    tell({ type: "flip", bit: focused });
  });

  walk(bits, "[data-bit]", (button) => (focused = Number(button.dataset.bit)), perLine);

  // ------------------------------------------------------------------ the verdict and the fields

  const verdict = make("p", { className: "goim-verdict", role: "status" });
  const [table, fields] = tableOf(["field", "where", "value", "what it means", "rule"], "goim-lab-fields");

  function drawFields() {
    fields.replaceChildren(
      ...view().fields.map((field) => {
        const swatch = make("span", { className: "goim-lab-swatch" });
        const row = make(
          "tr",
          {},
          make("th", { scope: "row" }, swatch, field.name),
          make("td", { textContent: field.place }),
          make("td", { className: "goim-mono", textContent: field.value }),
          make("td", { textContent: field.meaning }),
          make("td", { className: "goim-lab-rule", textContent: field.section.replace("RFC 6455 ", "") }),
        );
        paint(row, field, "goim-lab-field");
        return row;
      }),
    );
  }

  // ------------------------------------------------------------------ the controls

  const preset = make("select");
  const group = (title, broken) => {
    const options = model.get("menu").filter((entry) => entry.broken === broken);
    const node = make("optgroup", {}, ...options.map(({ name }) => make("option", { value: name, textContent: name })));
    node.label = title;
    return node;
  };
  preset.append(make("option", { value: "", textContent: "choose …" }), group("good frames", false), group("broken frames", true));
  preset.addEventListener("change", () => {
    if (preset.value) tell({ type: "load", name: preset.value });
  });

  const senders = ["client", "server"].map((who) => [who, `a ${who}`]);
  const sender = choice(senders, (value) => tell({ type: "sender", value }));
  const widths = [8, 16, 32].map((count) => [count, `${count} bits`]);
  const columns = choice(widths, (value) => tell({ type: "columns", value: Number(value) }));

  const opcode = make("select");
  const masked = make("input", { type: "checkbox" });
  const key = make("input", { type: "text", size: 11, className: "goim-mono", spellcheck: false });
  const payload = make("input", { type: "text", className: "goim-wide", spellcheck: false });
  const asHex = make("input", { type: "checkbox" });
  const bytes = make("input", { type: "text", className: "goim-wide goim-mono", spellcheck: false });
  const refused = make("p", { className: "goim-refused", role: "alert" });

  const build = () =>
    tell({
      type: "build",
      payload: payload.value,
      asHex: asHex.checked,
      opcode: Number(opcode.value),
      masked: masked.checked,
      key: key.value,
    });
  const onEntered = (input, act) => {
    input.addEventListener("change", act);
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") act();
    });
  };
  for (const input of [opcode, masked, key, payload]) onEntered(input, build);
  onEntered(bytes, () => tell({ type: "bytes", hex: bytes.value }));
  asHex.addEventListener("change", () => {
    const encoder = new TextEncoder();
    if (asHex.checked) {
      payload.value = [...encoder.encode(payload.value)].map(hex).join(" ");
      return;
    }
    try {
      const octets = payload.value.match(/[0-9a-f]{2}/gi) ?? [];
      const decoder = new TextDecoder("utf-8", { fatal: true });
      payload.value = decoder.decode(Uint8Array.from(octets, (digits) => parseInt(digits, 16)));
    } catch {
      asHex.checked = true;
      refused.textContent = "These bytes are not UTF-8 text, so they stay hex digits.";
    }
  });

  const send = make("button", { type: "button", className: "goim-main", textContent: "Send it to the live server" });
  send.addEventListener("click", () => tell({ type: "send" }));
  const answer = make("ul", { className: "goim-lab-answer" });
  answer.setAttribute("aria-live", "polite");
  answer.setAttribute("aria-label", "What the live server answered");

  function drawControls() {
    const { edit, canSend, asked, answers, then } = view();
    sender.value = model.get("sender");
    columns.value = perLine();
    columns.disabled = perLine() !== model.get("columns");
    columns.title = columns.disabled ? "There is no room for more." : "";
    const reserved = edit.opcodes.every((known) => known.number !== edit.opcode);
    const choices = reserved ? [...edit.opcodes, { number: edit.opcode, name: "reserved" }] : edit.opcodes;
    opcode.replaceChildren(
      ...choices.map(({ number, name }) => make("option", { value: number, textContent: `0x${number.toString(16)} ${name}` })),
    );
    opcode.value = edit.opcode;
    masked.checked = edit.masked;
    key.value = edit.key;
    key.disabled = !edit.masked;
    payload.value = edit.payload;
    payload.placeholder = edit.long ? "too long to show: type a new one" : "";
    asHex.checked = edit.asHex;
    bytes.value = edit.hex;
    bytes.placeholder = edit.hex ? "" : "too long to show: type a new one";
    refused.textContent = "";
    send.hidden = !canSend;
    const lines = answers.map((line) => `server: ${line}`);
    if (asked && then) lines.push(then);
    answer.replaceChildren(...lines.map((textContent) => make("li", { textContent })));
  }

  const top = make(
    "div",
    { className: "goim-bar" },
    labelled("start from", preset),
    labelled("sent by", sender),
    labelled("rows of", columns),
  );
  const bottom = make(
    "fieldset",
    { className: "goim-bar" },
    make("legend", { textContent: "or put it together" }),
    labelled("opcode", opcode),
    labelled("masked", masked),
    labelled("key", key),
    labelled("payload", payload),
    labelled("as hex", asHex),
    labelled("all bytes", bytes),
  );

  // ------------------------------------------------------------------ together

  function draw() {
    if (!view().fields) return;
    drawBits();
    sayVerdict(verdict, view().state, view().verdict);
    drawFields();
    drawControls();
  }

  furnish(el, "goim-lab", "Frame lab");
  el.append(top, verdict, bits, table, bottom, refused, make("div", { className: "goim-bar" }, send), answer);
  draw();

  let width = perLine();
  const watcher = new ResizeObserver(() => {
    if (perLine() !== width) draw();
    width = perLine();
  });
  watcher.observe(bits);
  const leave = listen(model, {
    "change:view": draw,
    "change:columns": draw,
    "change:sender": draw,
    "msg:custom": (message) => sayRefused(refused, message),
  });
  return () => {
    watcher.disconnect();
    leave();
  };
}

export default { render };
