// The browser's side of HeartbeatLab: knobs for the link and the heartbeat, and a plot of what the
// kernel has measured. While a run lasts the kernel is asked how it goes, four times a second.

const POLL_MS = 250;
const WINDOW = 30; // seconds that are seen at once
const BOX = { left: 62, right: 14, top: 30, bottom: 38, width: 940, height: 250 };
const WRONG = "#d55e00";
const PONG = "#0072b2";
const LATE = "#e69f00";

// A time with three digits that count, as `draw.round_trips` writes it.
function inWords(seconds) {
  if (seconds === 0) return "0 s";
  const [unit, factor] = seconds < 0.0009995 ? ["µs", 1e6] : seconds < 0.9995 ? ["ms", 1e3] : ["s", 1];
  return `${Number((seconds * factor).toPrecision(3))} ${unit}`;
}

function shape(name, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// A round number just above a quarter of `top`: what the lines of the grid stand apart.
function step(top) {
  const rough = top / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
}

function plot(pulse) {
  const { pings, verdicts, marks, seconds, waits, state } = pulse;
  const last = Math.max(seconds, 5);
  const first = Math.max(last - WINDOW, pulse.since, 0);
  const trips = pings.filter(([sent, rtt]) => rtt !== null && sent >= first).map(([, rtt]) => rtt);
  const top = Math.max(0.001, ...trips) * 1.2;
  const x = (time) => BOX.left + ((time - first) / (last - first)) * (BOX.width - BOX.left - BOX.right);
  const y = (rtt) => BOX.height - BOX.bottom - (rtt / top) * (BOX.height - BOX.top - BOX.bottom);
  const floor = y(0);
  const drawn = [];
  const text = (at, height, said, anchor = "middle", more = {}) =>
    drawn.push(shape("text", { x: at, y: height, "text-anchor": anchor, fill: "currentColor", ...more }, said));
  const upright = (at, from, to, colour, more = {}) =>
    drawn.push(shape("line", { x1: at, x2: at, y1: from, y2: to, stroke: colour, ...more }));

  for (let rtt = 0; rtt < top; rtt += step(top)) {
    drawn.push(shape("line", { x1: BOX.left, x2: BOX.width - BOX.right, y1: y(rtt), y2: y(rtt), class: "goim-beat-grid" }));
    text(BOX.left - 6, y(rtt) + 4, inWords(rtt), "end");
  }
  const every = last - first > 12 ? 5 : 1;
  for (let time = Math.ceil(first / every) * every; time <= last; time += every) {
    upright(x(time), floor, floor + 4, "currentColor");
    text(x(time), floor + 17, `${time} s`);
  }
  text(BOX.width / 2, BOX.height - 4, "when the ping was sent");

  for (const [at, name, said] of verdicts.filter(([at]) => at >= first)) {
    const colour = name === "SILENT" ? WRONG : LATE;
    const unanswered = pings.findIndex(([sent], index) => sent < at && pings.slice(index).every(([, rtt]) => rtt === null));
    const from = name === "SILENT" && unanswered >= 0 ? pings[unanswered][0] : at;
    const width = Math.max(x(at) - x(Math.max(from, first)), 0);
    drawn.push(shape("rect", { x: x(at) - width, y: BOX.top, width, height: floor - BOX.top, fill: colour, "fill-opacity": 0.22 }));
    upright(x(at), BOX.top - 8, floor, colour, { "stroke-width": 3 });
    text(x(at) + 1, BOX.top - 13, said, "end", { "font-weight": "bold" });
  }
  for (const [at, said] of marks.filter(([at]) => at >= first)) {
    upright(x(at), BOX.top, floor, "currentColor", { "stroke-dasharray": "4 3" });
    text(x(at) - 4, BOX.top + 10, said, "end", { "font-style": "italic" });
  }
  for (const [sent, rtt] of pings.filter(([sent]) => sent >= first)) {
    const at = x(sent);
    if (rtt !== null) {
      upright(at, floor, y(rtt), PONG, { "stroke-width": 2 });
      drawn.push(shape("circle", { cx: at, cy: y(rtt), r: 4, fill: PONG, class: "goim-beat-pong" }));
    } else if (state === "running" && seconds - sent < waits) {
      drawn.push(shape("circle", { cx: at, cy: floor, r: 4, class: "goim-beat-waiting" }));
    } else {
      const cross = `M${at - 5} ${floor - 5}l10 10m0 -10l-10 10`;
      drawn.push(shape("path", { d: cross, stroke: WRONG, "stroke-width": 2.5, class: "goim-beat-lost" }));
    }
  }
  return drawn;
}

function render({ model, el }) {
  const tell = (content) => model.send(content);
  const set = (name, value) => tell({ type: "set", name, value });
  let pulse = null;
  let timer;
  let stopped = false;

  // ------------------------------------------------------------------ the knobs

  const seconds = (name, text, limits) => ({ name, ...slider(text, limits, inWords, (value) => set(name, value)) });
  const link = [
    seconds("delay", "delay each way", { min: 0, max: 0.5, step: 0.01 }),
    seconds("jitter", "jitter up to", { min: 0, max: 0.2, step: 0.01 }),
  ];
  const heart = [
    seconds("interval", "interval", { min: 0.1, max: 2, step: 0.1 }),
    seconds("timeout", "timeout", { min: 0.1, max: 3, step: 0.1 }),
  ];
  const rates = [["", "no limit"], [2000, "2,000 octets/s"], [500, "500 octets/s"], [100, "100 octets/s"]];
  const rate = choice(rates, (value) => set("rate", value === "" ? null : Number(value)));
  const bound = make("span", { className: "goim-beat-bound" });
  const press = (text, what) => {
    const node = make("button", { type: "button", textContent: text });
    node.addEventListener("click", () => tell({ type: "do", what: node.dataset.what }));
    node.dataset.what = what;
    return node;
  };
  const start = press("Start", "start");
  start.className = "goim-main";
  const stop = press("Stop", "stop");
  const reset = press("Reset", "reset");
  const silence = press("Silence the link", "silence");
  const cut = press("Cut the connection", "cut");

  function drawKnobs() {
    const view = model.get("view");
    for (const { name, show } of [...link, ...heart]) show(view[name]);
    const other = view.rate !== null && rates.every(([value]) => value !== view.rate);
    const choices = other ? [...rates, [view.rate, `${thousands(view.rate)} octets/s`]] : rates;
    rate.replaceChildren(...choices.map(([value, textContent]) => make("option", { value, textContent })));
    rate.value = view.rate ?? "";
    const { interval, timeout } = view;
    bound.textContent = `so a silence is noticed within ${inWords(interval + timeout)}`;
  }

  // ------------------------------------------------------------------ what was measured

  const verdict = make("p", { className: "goim-verdict", role: "status" });
  const figure = shape("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img", class: "goim-beat-plot" });
  const numbers = make("p", { className: "goim-beat-numbers" });
  const refused = make("p", { className: "goim-refused", role: "alert" });
  const key = (className, text) => make("span", {}, make("span", { className: `goim-beat-key ${className}` }), text);
  const legend = make(
    "div",
    { className: "goim-bar goim-beat-legend" },
    key("goim-beat-is-pong", "pong, as high as it took"),
    key("goim-beat-is-waiting", "waits for its pong"),
    key("goim-beat-is-lost", "never answered"),
  );

  function drawPulse() {
    const { state, said, pings, statistics, silenced } = pulse;
    const alive = state === "connecting" || state === "running";
    const judged = { silent: "wrong", lost: "wrong", failed: "wrong", running: "good" }[state] ?? "cut";
    sayVerdict(verdict, judged, said);
    figure.replaceChildren(...plot(pulse));
    const answered = pings.filter(([, rtt]) => rtt !== null).length;
    const sums = statistics
      ? `${thousands(statistics.pongs)} pongs: last ${inWords(statistics.last)}, fastest ${inWords(statistics.min)}, ` +
        `mean ${inWords(statistics.mean)}, slowest ${inWords(statistics.max)}, jitter ${inWords(statistics.jitter)}`
      : "no pong yet";
    numbers.textContent = sums;
    figure.setAttribute("aria-label", `Round trips: ${answered} of ${pings.length} pings answered. ${sums}. ${said}.`);
    el.dataset.state = state;
    start.textContent = alive ? "Start anew" : "Start";
    stop.disabled = !alive;
    cut.disabled = !alive;
    silence.textContent = silenced ? "Restore the link" : "Silence the link";
    silence.dataset.what = silenced ? "restore" : "silence";
    silence.disabled = !alive && !silenced;
    clearTimeout(timer);
    if (alive && !stopped) timer = setTimeout(() => tell({ type: "poll" }), POLL_MS);
  }

  const onMessage = (message) => {
    sayRefused(refused, message);
    if (message.type !== "pulse") return;
    refused.textContent = "";
    pulse = message;
    drawPulse();
  };

  // ------------------------------------------------------------------ together

  const group = (name, ...inside) => make("fieldset", { className: "goim-bar" }, make("legend", { textContent: name }), ...inside);
  furnish(el, "goim-beat", "Heartbeat lab");
  el.append(
    make("div", { className: "goim-bar" }, start, stop, reset, silence, cut),
    group("the link", ...link.map(({ label }) => label), labelled("rate", rate)),
    group("the heartbeat", ...heart.map(({ label }) => label), bound),
    verdict,
    figure,
    legend,
    numbers,
    refused,
  );
  drawKnobs();
  const leave = listen(model, { "change:view": drawKnobs, "msg:custom": onMessage });
  tell({ type: "poll" });
  return () => {
    stopped = true;
    clearTimeout(timer);
    leave();
  };
}

export default { render };
