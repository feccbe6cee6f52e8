// The open sessions: who, by which way, from where, since when, and how to end one.

import { kick, ownSession, sessions } from "./admin-list.js";
import { AdminTable, Cell } from "./admin-table.js";
import { bytes, doorWord, serverOf, shownSessions, symbolCount, whose } from "./admin-words.js";
import * as format from "../figures/format.js";
import { html } from "../base/html.js";
import { serverNow } from "../session/state.js";

const COLUMNS = [
  ["user", "User"], ["session", "Session"], ["door", "Door"], ["from", "From"], ["since", "Since", "number"], ["idle", "Idle", "number"],
  ["symbols", "Symbols", "number"], ["behind", "Unsent", "number"],
];
const SERVER = ["server", "Server"];

export function SessionsPart({ asking }) {
  const all = sessions.value;
  if (!all) return html`<p class="quiet-note view-note">Loading …</p>`;
  const isCluster = all.some(({ session }) => serverOf(session));
  return html`<${AdminTable} name="sessions" rows=${all} columns=${isCluster ? [...COLUMNS, SERVER] : COLUMNS} first=${{ key: "since", isDescending: true }}
    keyOf=${({ session }) => session} shown=${shownSessions} noun=${["session"]} Row=${SessionRow} besides=${{ isCluster, own: ownSession.value, asking }}
    label=${{ filter: "Name, address, door", table: "Open sessions" }} />`;
}

function SessionRow({ row: session, isCluster, own, asking }) {
  const { session: name, address, door, since, idle_seconds: idle, behind } = session;
  const isOwn = name === own;
  const who = whose(session);
  const ask = () => asking({
    title: `End the session ${name} of ${who}?`,
    text: `It came by ${doorWord(door)} from ${address}. The client is told that an administrator ended it; nothing keeps it from coming back.`,
    action: "Kick",
    run: () => kick(session),
  });
  return html`
    <tr role="row" data-session=${name} class=${isOwn ? "own" : ""}>
      <th role="rowheader" scope="row" class="who"><bdi>${who}</bdi>${isOwn && html` <span class="own-word">this page</span>`}</th>
      <${Cell} label="Session">${name}<//>
      <${Cell} label="Door">${doorWord(door)}<//>
      <${Cell} label="From" kind="address">${address}<//>
      <${Cell} label="Since" kind="number" title=${format.dateAndTime(since)}>${format.lasting((serverNow() - since) / 1_000)}<//>
      <${Cell} label="Idle" kind="number">${format.lasting(idle)}<//>
      <${Cell} label="Symbols" kind="number">${symbolCount(session).toLocaleString()}<//>
      <${Cell} label="Unsent" kind=${behind ? "number slow" : "number"}>${behind ? bytes(behind) : "0"}<//>
      ${isCluster && html`<${Cell} label="Server">${serverOf(name)}<//>`}
      <td role="cell" class="acts">${!isOwn && html`<button type="button" class="chip" data-stays=${`kick ${name}`} onClick=${ask} aria-label=${`Kick the session ${name} of ${who}`}>Kick</button>`}</td>
    </tr>`;
}
