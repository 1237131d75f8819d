// The browser's side of HandshakeLab: an editor for the request, what the kernel's `explain` says of
// each line, and what the live server really answered.

function render({ model, el }) {
  const view = () => model.get("view");
  const tell = (content) => model.send(content);
  const area = (label) => {
    const node = make("textarea", { className: "goim-hand-text", rows: 9, spellcheck: false });
    node.setAttribute("aria-label", label);
    return node;
  };

  const preset = make("select", {}, make("option", { value: "", textContent: "choose …" }));
  preset.append(...model.get("menu").map((name) => make("option", { value: name, textContent: name })));
  preset.addEventListener("change", () => {
    if (preset.value) tell({ type: "load", name: preset.value });
  });
  const request = area("The request");
  request.addEventListener("input", () => {
    preset.value = "";
    tell({ type: "text", text: request.value });
  });
  const verdict = make("p", { className: "goim-hand-verdict", role: "status" });
  const rows = make("tbody");
  const heads = ["line", "value", "what it is for", "rule"];
  const table = make(
    "table",
    {},
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col", textContent: head })))),
    rows,
  );
  const send = make("button", { type: "button", textContent: "Ask the live server" });
  send.addEventListener("click", () => tell({ type: "send" }));
  const answer = make("pre", { className: "goim-hand-answer" });
  answer.setAttribute("aria-live", "polite");
  answer.setAttribute("aria-label", "What the live server answered");

  function draw() {
    const { text, fields, state, verdict: said, answer: heard, canSend } = view();
    if (document.activeElement !== request) request.value = text;
    verdict.textContent = `${state === "good" ? "✓" : "✗"} ${said[0].toUpperCase()}${said.slice(1)}`;
    verdict.dataset.state = state;
    rows.replaceChildren(
      ...fields.map((field) => {
        const row = make(
          "tr",
          {},
          make("th", { scope: "row", textContent: field.name }),
          make("td", { className: "goim-hand-mono", textContent: field.value }),
          make("td", { textContent: field.meaning }),
          make("td", { className: "goim-hand-rule", textContent: field.section }),
        );
        row.classList.toggle("goim-hand-wrong", field.wrong);
        return row;
      }),
    );
    send.hidden = !canSend;
    answer.textContent = heard;
    answer.dataset.status = heard.split(" ")[1] ?? "";
    answer.hidden = !heard;
  }
  const onMessage = (message) => {
    if (message.type === "refused") {
      answer.hidden = false;
      answer.textContent = `The server did not answer: ${message.text}`;
    }
  };

  el.classList.add("goim-hand");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Handshake lab");
  // JupyterLab has shortcuts on plain keys; what is typed here is meant for the lab alone.
  el.dataset.lmSuppressShortcuts = "true";
  el.append(
    make("label", {}, make("span", { textContent: "start from " }), preset),
    make("div", { className: "goim-hand-halves" }, request, answer),
    make("div", {}, send),
    verdict,
    table,
  );
  draw();
  model.on("change:view", draw);
  model.on("msg:custom", onMessage);
  return () => {
    model.off("change:view", draw);
    model.off("msg:custom", onMessage);
  };
}

export default { render };
