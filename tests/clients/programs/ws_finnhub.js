// A script for ws.finnhub.io, of the shape that Finnhub publishes for JavaScript: node ws_finnhub.js ADDRESS
const WebSocket = require("ws");

const socket = new WebSocket(process.argv[2]);
const seen = { AAPL: 0, TSLA: 0 };
let wantsLess = true;

socket.addEventListener("open", () => {
  socket.send(JSON.stringify({ type: "subscribe", symbol: "AAPL" }));
  socket.send(JSON.stringify({ type: "subscribe", symbol: "TSLA" }));
});

socket.addEventListener("message", (event) => {
  for (const trade of JSON.parse(event.data).data ?? []) {
    console.log(trade.s, trade.p);
    seen[trade.s] += 1;
  }
  if (wantsLess && seen.AAPL >= 10 && seen.TSLA >= 10) {
    wantsLess = false;
    socket.send(JSON.stringify({ type: "unsubscribe", symbol: "TSLA" }));
    console.log("unsubscribed TSLA");
  }
});

socket.addEventListener("close", (event) => console.log("closed", event.code, event.reason));
socket.addEventListener("error", (event) => console.log("error:", event.message));
