// What the widgets' scripts share; `goim_edu.widgets.base.script` puts it before each of them.

function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key in node && !key.includes("-")) node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

// As replaceChildren, but what is there and of the same kind stays, and is made equal: it keeps the
// focus, and who is pressing a button at this very moment will have pressed it. What is drawn like this
// has its listeners on `parent` or above.
function redraw(parent, ...wanted) {
  wanted.forEach((node, index) => {
    const there = parent.childNodes[index];
    if (!there) parent.append(node);
    else if (there.nodeName !== node.nodeName) there.replaceWith(node);
    else if (node.nodeType !== Node.ELEMENT_NODE) there.data = node.data;
    else {
      for (const name of there.getAttributeNames()) if (!node.hasAttribute(name)) there.removeAttribute(name);
      for (const name of node.getAttributeNames()) there.setAttribute(name, node.getAttribute(name));
      redraw(there, ...node.childNodes);
    }
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
}

const hex = (octet) => octet.toString(16).padStart(2, "0");
const thousands = (number) => number.toLocaleString("en");

// A control with its name before it.
const labelled = (text, ...inputs) => make("label", {}, make("span", { textContent: text }), ...inputs);

// A menu of values, or of [value, name] pairs.
function choice(entries, act) {
  const pairs = entries.map((entry) => (Array.isArray(entry) ? entry : [entry, entry]));
  const node = make("select", {}, ...pairs.map(([value, name]) => make("option", { value, textContent: name })));
  node.addEventListener("change", () => act(node.value));
  return node;
}

// A slider with its value in words beside it. Returns its label, and how to show a value. While it is
// being moved, what the kernel says comes late: it counts again a moment after the last move.
function slider(text, limits, say, act) {
  const node = make("input", { type: "range", ...limits });
  const shown = make("output");
  let told = Number(node.value); // by the kernel
  let timer;
  const put = (value) => {
    node.value = value;
    shown.textContent = say(value);
    node.setAttribute("aria-valuetext", say(value));
  };
  const show = (value) => {
    told = value;
    if (timer === undefined) put(value);
  };
  node.addEventListener("input", () => {
    const value = Number(node.value);
    put(value);
    act(value);
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = undefined;
      put(told);
    }, 1000);
  });
  return { label: labelled(text, node, shown), node, show };
}

// A table with the names of its columns; returns it and the body that takes the rows.
function tableOf(heads, className) {
  const body = make("tbody");
  const row = make("tr", {}, ...heads.map((head) => make("th", { scope: "col", textContent: head })));
  return [make("table", { className }, make("thead", {}, row), body), body];
}

function paintRole(node, colours, role) {
  const [colour, ink] = colours[role];
  node.style.setProperty("--goim-role", colour);
  node.style.setProperty("--goim-on-role", ink);
}

// What is judged: a sign, a sentence, a colour. Unchanged text is left, so it is not read out again.
function sayVerdict(node, state, text) {
  const sign = { good: "✓", after: "✓", cut: "…", wrong: "✗" }[state];
  const sentence = `${sign} ${text[0].toUpperCase()}${text.slice(1)}`;
  if (node.textContent !== sentence) node.textContent = sentence;
  node.dataset.state = state;
}

// What the kernel could not do, in a place of its own.
function sayRefused(node, message) {
  if (message.type === "refused") node.textContent = `That does not work: ${message.text}`;
}

// Arrow keys walk through the buttons of a group, of which Tab reaches one. `act` is told where they
// have come to; `perLine()` buttons are a line of the group.
function walk(group, selector, act, perLine = () => 1) {
  group.addEventListener("keydown", (event) => {
    const all = [...group.querySelectorAll(selector)];
    const at = all.indexOf(document.activeElement);
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -perLine(), ArrowDown: perLine(), Home: -at, End: all.length - 1 - at };
    if (at < 0 || !(event.key in moves)) return;
    event.preventDefault();
    const next = all[at + moves[event.key]];
    if (!next) return;
    for (const node of all) node.tabIndex = node === next ? 0 : -1;
    next.focus();
    act(next);
  });
}

// Make the element of a widget ready: its name for screen readers, and its keys for itself. JupyterLab
// acts on plain keys wherever they are pressed: arrows choose cells, and Enter would send no form.
// What comes with Ctrl, Alt or Cmd is for JupyterLab, and Escape leaves the widget.
function furnish(el, className, label) {
  el.classList.add("goim-piece", className);
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", label);
  el.dataset.lmSuppressShortcuts = "true";
  for (const kind of ["keydown", "keypress", "keyup"]) {
    el.addEventListener(kind, (event) => {
      const plain = !event.ctrlKey && !event.altKey && !event.metaKey && event.key !== "Escape";
      if (plain) event.stopPropagation();
    });
  }
}

// Do what the model's events ask for, {name: act}; returns how to leave off, which `render` returns.
function listen(model, acts) {
  for (const [name, act] of Object.entries(acts)) model.on(name, act);
  return () => {
    for (const [name, act] of Object.entries(acts)) model.off(name, act);
  };
}
