// The browser's side of DeflateLab: the series, the settings, and the chosen message bit by bit. All
// sizes, and the picture, come from the kernel, which compresses with the code of the live server.

function render({ model, el }) {
  const view = () => model.get("view");
  const tell = (content) => model.send(content);
  const set = (name, value) => tell({ type: "set", name, value });

  // ------------------------------------------------------------------ the settings

  const preset = choice([["", "choose …"], ...model.get("menu")], (name) => {
    if (name) tell({ type: "load", name });
  });
  const sender = choice([["server", "the server"], ["client", "the client"]], (who) => set("sender", who));
  const sides = ["server", "client"].map((side) => {
    const takeover = make("input", { type: "checkbox" });
    takeover.setAttribute("aria-label", `${side}: context takeover`);
    takeover.addEventListener("change", () => set(`${side}_takeover`, takeover.checked));
    const words = (count) => `${count}: ${thousands(2 ** count)} octets`;
    const bits = slider("window bits", { min: 9, max: 15 }, words, (count) => set(`${side}_window_bits`, count));
    bits.node.setAttribute("aria-label", `${side}: window bits`);
    const group = make(
      "fieldset",
      { className: "goim-bar" },
      make("legend", { textContent: `what the ${side} sends` }),
      make("label", {}, takeover, make("span", { textContent: "context takeover" })),
      bits.label,
    );
    return { side, takeover, bits, group };
  });
  const offer = make("code");
  const answer = make("code");
  const memory = make("span");

  function drawSettings() {
    const { settings } = view();
    sender.value = settings.sender;
    for (const { side, takeover, bits, group } of sides) {
      takeover.checked = settings[`${side}_takeover`];
      bits.show(settings[`${side}_window_bits`]);
      group.classList.toggle("goim-deflate-other", side !== settings.sender);
    }
    offer.textContent = view().offer;
    answer.textContent = view().answer;
    memory.textContent = view().memory;
  }

  // ------------------------------------------------------------------ the series

  const said = make("p", { className: "goim-deflate-said", role: "status" });
  const [table, rows] = tableOf(["", "message", "plain", "with takeover", "without takeover"], "goim-deflate-series");
  const heads = table.querySelectorAll("thead th");

  function weighed(octets, most, agreed) {
    const bar = make("span", { className: "goim-deflate-bar" });
    bar.style.width = `${(100 * octets) / most}%`;
    const number = make("span", { className: "goim-deflate-number", textContent: thousands(octets) });
    const cell = make("td", {}, make("div", { className: "goim-deflate-size" }, number, make("span", {}, bar)));
    cell.classList.toggle("goim-deflate-agreed", agreed);
    return cell;
  }

  function drawSeries() {
    const { rows: series, selected, takeover } = view();
    const hadFocus = rows.contains(document.activeElement);
    heads[3].textContent = takeover ? "with takeover: agreed" : "with takeover";
    heads[4].textContent = takeover ? "without takeover" : "without takeover: agreed";
    if (said.textContent !== view().said) said.textContent = view().said;
    const most = Math.max(1, ...series.flatMap(({ plain, on, off }) => [plain, on, off]));
    redraw(
      rows,
      ...series.map(({ text, plain, on, off }, number) => {
        const button = make("button", { type: "button", textContent: number + 1 });
        button.setAttribute("aria-label", `Show message ${number + 1}`);
        button.setAttribute("aria-pressed", number === selected);
        button.tabIndex = number === selected ? 0 : -1;
        const row = make(
          "tr",
          {},
          make("th", { scope: "row" }, button),
          make("td", { className: "goim-mono", textContent: text }),
          make("td", { className: "goim-deflate-plain", textContent: thousands(plain) }),
          weighed(on, most, takeover),
          weighed(off, most, !takeover),
        );
        row.dataset.number = number;
        row.classList.toggle("goim-deflate-chosen", number === selected);
        return row;
      }),
    );
    table.hidden = series.length === 0;
    if (hadFocus) focusChosen();
  }

  const focusChosen = () => rows.querySelector("button[aria-pressed=true]")?.focus();
  rows.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (!row) return;
    row.querySelector("button").focus();
    tell({ type: "select", number: Number(row.dataset.number) });
  });
  rows.addEventListener("keydown", (event) => {
    const { selected, rows: series } = view();
    const next = { ArrowUp: selected - 1, ArrowDown: selected + 1, Home: 0, End: series.length - 1 }[event.key];
    if (event.key === "Delete") tell({ type: "remove", number: selected });
    else if (next !== undefined) tell({ type: "select", number: Math.min(Math.max(next, 0), series.length - 1) });
    else return;
    event.preventDefault();
  });

  // ------------------------------------------------------------------ one more message

  const text = make("input", { type: "text", className: "goim-wide", spellcheck: false, autocomplete: "off" });
  text.placeholder = "type one, press Enter";
  const weight = make("span", { className: "goim-deflate-weight" });
  weight.setAttribute("aria-live", "polite");
  const refused = make("p", { className: "goim-refused", role: "alert" });
  const add = make("button", { type: "submit", className: "goim-main", textContent: "Send it" });
  const remove = make("button", { type: "button", textContent: "Remove the chosen one" });
  const clear = make("button", { type: "button", textContent: "Start anew" });
  remove.addEventListener("click", () => tell({ type: "remove", number: view().selected }));
  clear.addEventListener("click", () => {
    preset.value = "";
    tell({ type: "clear" });
  });
  text.addEventListener("input", () => {
    weight.textContent = "";
    if (text.value) tell({ type: "draft", text: text.value });
  });
  const form = make("form", { className: "goim-bar" }, labelled("next message", text), weight, add, remove, clear);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    tell({ type: "add", text: text.value });
    text.value = weight.textContent = preset.value = "";
  });

  // ------------------------------------------------------------------ the chosen message

  const bits = make("div", { className: "goim-deflate-bits", role: "img" });
  const bytes = make("p", { className: "goim-deflate-frame" });
  const picture = make("div", { className: "goim-deflate-picture" });
  let shown = "";

  function drawBits({ fields, bits: octets }) {
    bits.setAttribute("aria-label", fields.map((field) => `${field.name}: ${field.meaning}`).join("; "));
    bits.replaceChildren(
      ...fields.map((field) => {
        const node = make("div", { className: "goim-deflate-field", title: field.meaning });
        node.style.gridColumn = `${field.start + 1} / span ${field.length}`;
        paintRole(node, model.get("colours"), field.name === "RSV1" ? "opcode" : field.role);
        const values = Array.from({ length: field.length }, (_, at) => {
          const bit = field.start + at;
          return make("span", { textContent: (octets[bit >> 3] >> (7 - (bit & 7))) & 1 });
        });
        node.append(make("small", { textContent: field.name }), make("div", { className: "goim-mono" }, ...values));
        node.classList.toggle("goim-deflate-rsv1", field.name === "RSV1");
        return node;
      }),
    );
  }

  function drawChosen() {
    const { chosen } = view();
    for (const node of [bits, bytes, picture, remove]) node.hidden = !chosen;
    if (!chosen) return;
    drawBits(chosen);
    const octets = make("span", { className: "goim-mono", textContent: chosen.hex });
    bytes.replaceChildren(`Its frame, ${thousands(chosen.total)} octets: `, octets, `. ${chosen.note}`);
    if (shown !== chosen.picture) picture.innerHTML = shown = chosen.picture;
  }

  // ------------------------------------------------------------------ together

  function draw() {
    if (!view().rows) return;
    refused.textContent = "";
    drawSettings();
    drawSeries();
    drawChosen();
  }
  const onMessage = (message) => {
    sayRefused(refused, message);
    if (message.type === "draft" && text.value) {
      weight.textContent = `${thousands(message.plain)} octets, ${thousands(message.compressed)} on the wire`;
    }
  };

  const line = (name, value) => [make("span", { className: "goim-deflate-name", textContent: name }), value];
  furnish(el, "goim-deflate", "Deflate lab");
  el.append(
    make("div", { className: "goim-bar" }, labelled("start from", preset), labelled("sent by", sender)),
    make("div", { className: "goim-bar" }, ...sides.map(({ group }) => group)),
    make(
      "div",
      { className: "goim-deflate-agreement" },
      ...line("the client offers", offer),
      ...line("the server answers", answer),
      ...line("the server keeps per connection", memory),
    ),
    said,
    table,
    form,
    refused,
    bits,
    bytes,
    picture,
  );
  draw();
  return listen(model, { "change:view": draw, "msg:custom": onMessage });
}

export default { render };
