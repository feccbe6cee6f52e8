// Writes the title of the browser's tab (title.js): at once when another stock is chosen, and at its prices also while
// nobody looks at the page, where the title is all that is seen of it.

import { effect } from "../base/html.js";
import { chosen, link, stockOf, unseenAlerts, view } from "../session/state.js";
import { titleOf } from "./title.js";

const EVERY_MS = 1_000;

let followed;
let writtenAt = -Infinity;

function write() {
  writtenAt = performance.now();
  const { status, wasOnline } = link.value;
  const title = titleOf({ stock: stockOf(chosen.value), view: view.value, isLost: wasOnline && status !== "online", unseen: unseenAlerts.value });
  if (document.title !== title) document.title = title;
}

// A page in the background has its timers slowed down, to one a minute in the end; what is pushed comes all the same.
const follower = { take: () => performance.now() - writtenAt >= EVERY_MS && write() };

effect(() => {
  const stock = stockOf(chosen.value);
  if (stock !== followed) {
    followed?.followers.delete(follower);
    stock?.followers.add(follower);
    followed = stock;
  }
  write();
});

// The last of several prices that came within a second.
setInterval(write, EVERY_MS);
