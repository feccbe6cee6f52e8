// Publishes prices at Redis as a program without any library would: node node_publisher.js PORT SYMBOL PRICE…
const [port, symbol, ...prices] = process.argv.slice(2);
const socket = require('node:net').connect(Number(port), '127.0.0.1');
const command = (...words) => `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;

for (const price of prices) {
  const quote = JSON.stringify({ symbol, price: Number(price), timestamp: Date.now() });
  socket.write(command('SET', `stock:${symbol}`, quote) + command('PUBLISH', `stock:${symbol}`, quote));
}
let answers = '';
socket.on('data', (data) => {
  answers += data;
  if (answers.split('\r\n').length > 2 * prices.length) socket.end();
});
