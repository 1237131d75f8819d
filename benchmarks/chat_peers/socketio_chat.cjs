// The chat that the Socket.IO tutorial builds, with rooms, and with MongoDB's driver for SQLite's.
//   MONGO_URI=... PORT=... node socketio_chat.cjs [--emit-first]
// The tutorial stores, emits, and then calls back. With --emit-first it emits and calls back before
// it stores, as many a blog does.
const { createServer } = require("node:http");
const { Server } = require("socket.io");
const { MongoClient } = require("mongodb");

async function main() {
  const emitFirst = process.argv.includes("--emit-first");
  const client = await new MongoClient(process.env.MONGO_URI).connect();
  const messages = client
    .db("chat_peers")
    .collection("messages", { writeConcern: { w: "majority", journal: true } });
  await messages.createIndex({ client_offset: 1 }, { unique: true });

  const server = createServer();
  const io = new Server(server);

  io.on("connection", (socket) => {
    socket.on("join", async (room, callback) => {
      await socket.join(room);
      callback();
    });
    socket.on("chat message", async (room, content, clientOffset, callback) => {
      if (emitFirst) {
        io.to(room).emit("chat message", content, clientOffset);
        callback();
      }
      try {
        await messages.insertOne({ room, content, client_offset: clientOffset });
      } catch (error) {
        if (error.code === 11000) callback(); // it was stored before
        return; // the client sends it again
      }
      if (!emitFirst) {
        io.to(room).emit("chat message", content, clientOffset);
        callback();
      }
    });
  });
  server.listen(Number(process.env.PORT), "127.0.0.1");
}

process.stdin.resume().on("end", () => process.exit());
main();
