// The connection that there is now, as everything that asks the server uses it: one question, and its whole answer.

import { Disconnected, LOST } from "./wire.js";

let wire = null;

/** Ask over this connection from now on, or over none (session.js). */
export function askOver(opened) {
  wire = opened;
}

/** Ask the server something; a Failure or Disconnected says why there is no answer. */
export async function ask(type, fields) {
  if (!wire) throw new Disconnected(LOST);
  const mine = wire;
  const reply = await mine.ask(type, fields);
  // Quotes that do not fit on one line come in pages.
  for (let page = reply; page.more && page.quotes?.length; ) {
    page = await mine.ask(type, { ...fields, after: page.quotes.at(-1).symbol });
    reply.quotes.push(...page.quotes);
    reply.missing.push(...(page.missing ?? []));
  }
  return reply;
}
