// Prices over /ws by npm's ws, in StockTrack's own protocol: node ws.js ADDRESS USER PASSWORD
const WebSocket = require("ws");

const [address, username, password] = process.argv.slice(2);
const socket = new WebSocket(address);
const send = (command) => socket.send(JSON.stringify(command));
const seen = { AAPL: 0, TSLA: 0 };
let wantsLess = true;

socket.on("open", () => send({ type: "AUTH", username, password }));
socket.on("message", (data) => String(data).split("\n").filter(Boolean).map(JSON.parse).forEach(handle));
socket.on("close", (code, reason) => console.log("closed", code, String(reason)));
socket.on("error", (error) => console.log("error:", error.message));

function handle(message) {
  if (message.code >= 400) {
    console.log("refused:", message.message);
    socket.close();
  } else if (message.type === "AUTH") {
    send({ type: "SUBSCRIBE", symbols: ["AAPL", "TSLA"], interval: 0, save: false });
  } else if (message.type === "PRICE") {
    console.log(message.symbol, message.price);
    seen[message.symbol] += 1;
    if (wantsLess && seen.AAPL >= 10 && seen.TSLA >= 10) {
      wantsLess = false;
      send({ type: "UNSUBSCRIBE", symbols: ["TSLA"], save: false });
      console.log("unsubscribed TSLA");
    }
  }
}
