// The browser's side of HandshakeLab: an editor for the request, what the kernel's `explain` says of
// each line, and what the live server really answered.

function render({ model, el }) {
  const view = () => model.get("view");
  const tell = (content) => model.send(content);
  const area = (label) => {
    const node = make("textarea", { className: "goim-mono goim-hand-text", rows: 9, spellcheck: false });
    node.setAttribute("aria-label", label);
    return node;
  };

  const preset = choice([["", "choose …"], ...model.get("menu")], (name) => {
    if (name) tell({ type: "load", name });
  });
  const request = area("The request");
  request.addEventListener("input", () => {
    preset.value = "";
    tell({ type: "text", text: request.value });
  });
  const verdict = make("p", { className: "goim-verdict", role: "status" });
  const [table, rows] = tableOf(["line", "value", "what it is for", "rule"], "goim-hand-lines");
  const send = make("button", { type: "button", className: "goim-main", textContent: "Ask the live server" });
  send.addEventListener("click", () => tell({ type: "send" }));
  const answer = make("pre", { className: "goim-mono goim-hand-answer" });
  answer.setAttribute("aria-live", "polite");
  answer.setAttribute("aria-label", "What the live server answered");

  function draw() {
    const { text, fields, state, verdict: said, answer: heard, canSend } = view();
    if (document.activeElement !== request) request.value = text;
    sayVerdict(verdict, state, said);
    rows.replaceChildren(
      ...fields.map((field) => {
        const row = make(
          "tr",
          {},
          make("th", { scope: "row", textContent: field.name }),
          make("td", { className: "goim-mono", textContent: field.value }),
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

  furnish(el, "goim-hand", "Handshake lab");
  el.append(
    make("div", { className: "goim-bar" }, labelled("start from", preset)),
    make("div", { className: "goim-hand-halves" }, request, answer),
    make("div", {}, send),
    verdict,
    table,
  );
  draw();
  return listen(model, { "change:view": draw, "msg:custom": onMessage });
}

export default { render };
