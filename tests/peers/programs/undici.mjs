// A client by undici: node undici.mjs FOLDER_WITH_NODE_MODULES ws://host:port/path
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [folder, url] = process.argv.slice(2);
const { WebSocket } = createRequire(`${folder}/`)("undici");

const heard = [];
let wake = () => {};
function hear(what) {
  heard.push(what);
  wake();
}
async function next() {
  while (!heard.length) await new Promise((resolve) => (wake = resolve));
  return heard.shift();
}

const ws = new WebSocket(url);
ws.binaryType = "arraybuffer";
ws.onopen = () => hear("open");
ws.onmessage = ({ data }) => hear(typeof data === "string" ? data : Buffer.from(data));
ws.onclose = ({ code, reason, wasClean }) => hear({ code, reason, wasClean });
assert.equal(await next(), "open");
assert.match(ws.extensions, /^permessage-deflate/);

const big = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256));
for (const message of ["你好 😀", big, "", Buffer.alloc(0), "x".repeat(70_000)]) {
  ws.send(message);
  assert.deepEqual(await next(), message);
}
ws.close(3001, "bye");
assert.equal((await next()).code, 3001);
console.log("all is well");
