// The server of `ws` that benchmarks/server.py measures: /echo and /fanout, as its README does them.
import { WebSocketServer } from "ws";

const compression = process.argv.includes("--compression");
const server = new WebSocketServer({
    host: "127.0.0.1",
    port: 0,
    backlog: 2048,
    maxPayload: 2 ** 24,
    perMessageDeflate: compression && { threshold: 0 },
});
const members = new Set();

server.on("connection", (socket, request) => {
    socket.on("error", () => {});
    if (request.url === "/fanout") {
        members.add(socket);
        socket.on("close", () => members.delete(socket));
        socket.on("message", (data, binary) => {
            for (const member of members) member.send(data, { binary });
        });
    } else {
        socket.on("message", (data, binary) => socket.send(data, { binary }));
    }
});
server.on("listening", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
