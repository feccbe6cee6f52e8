// Prices by npm's socket.io-client, which comes back by itself: node socketio.js ADDRESS TOKEN
const { io } = require("socket.io-client");

const [address, token] = process.argv.slice(2);
const socket = io(address, { auth: { token }, reconnectionDelay: 100, reconnectionDelayMax: 500 });
const seen = { AAPL: 0, TSLA: 0 };
let wantsLess = true;

socket.on("connect", () => {
  console.log("connected");
  socket.emit("subscribe", ["AAPL", "TSLA"]);
});
socket.on("stockUpdate", ({ symbol, price }) => {
  console.log(symbol, price);
  seen[symbol] += 1;
  if (wantsLess && seen.AAPL >= 10 && seen.TSLA >= 10) {
    wantsLess = false;
    socket.emit("unsubscribe", "TSLA");
    console.log("unsubscribed TSLA");
  }
});
socket.on("stockError", ({ error }) => console.log("error:", error));
socket.on("connect_error", (error) => console.log("refused:", error.message));
socket.on("disconnect", (reason) => console.log("disconnected:", reason));
