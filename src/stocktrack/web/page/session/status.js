// What the page says of its prices as a whole, in two words: that they are live, how many are stale, or that the market is
// closed. It knows no elements.

const OFFLINE = { connecting: "Connecting", waiting: "Offline", off: "Offline" };
const SESSIONS = { pre: "Pre-market", post: "After hours" };

/**
 * {word, kind, said} of a connection ("online", …) and the stocks on the screen: `kind` is "off", "stale", "waiting", "live"
 * or "closed", and `said` the same as a sentence.
 */
export function statusOf(connection, stocks) {
  if (connection !== "online") return { word: OFFLINE[connection], kind: "off", said: "There is no connection to the server." };
  const all = [...stocks];
  const priced = all.filter((stock) => stock.quote);
  const stale = priced.filter((stock) => stock.quote.stale).length;
  // Of those that have only just been added nothing is known so far.
  const lacking = all.filter((stock) => !stock.quote && stock.missing).length;
  if (stale) return { word: `${stale} stale`, kind: "stale", said: `${countOf(stale, all.length)} may be out of date; each row says why.` };
  if (lacking && !priced.length) return { word: "No prices", kind: "waiting", said: "No price has come so far; each row says why." };
  const without = lacking ? ` ${countOf(lacking, all.length)} has not come; its row says why.` : "";
  const states = new Set(priced.map((stock) => stock.quote.market_state));
  if (!priced.length || states.has("open") || states.has(undefined)) return { word: "Live", kind: "live", said: `Prices come as they change.${without}` };
  const session = Object.keys(SESSIONS).find((state) => states.has(state));
  if (session) return { word: SESSIONS[session], kind: "live", said: `The regular hours are over or yet to come; prices outside them are shown as they change.${without}` };
  return { word: "Market closed", kind: "closed", said: `These are the last prices of markets that are closed now.${without}` };
}

function countOf(count, all) {
  if (all === 1) return "The price";
  return count === all ? `All ${all} prices` : `${count} of ${all} prices`;
}
