// The accounts: who may log in, who is there now, and who may say nothing.

import { kickAll, mute, users } from "./admin-list.js";
import { AdminTable, Cell } from "./admin-table.js";
import { roleWord, shownUsers, stateWords } from "./admin-words.js";
import * as format from "../figures/format.js";
import { html } from "../base/html.js";
import { user as me } from "../session/state.js";
import { hasChat } from "../session/words.js";

const COLUMNS = [
  ["user", "User"], ["role", "Role"], ["sessions", "Sessions", "number"], ["saved", "Saved stocks", "number"], ["tokens", "Tokens", "number"],
  ["since", "Account since", "number"], ["state", "State"],
];
const TIMES = [[10, "10 minutes"], [60, "an hour"], [1_440, "a day"], [10_080, "a week"], [43_200, "30 days"]];
const dayFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

export function UsersPart({ asking }) {
  const all = users.value;
  if (!all) return html`<p class="quiet-note view-note">Loading …</p>`;
  return html`
    <${AdminTable} name="users" rows=${all} columns=${COLUMNS} first=${{ key: "user", isDescending: false }} keyOf=${({ username }) => username}
      shown=${shownUsers} noun=${["account"]} Row=${UserRow} besides=${{ asking }} label=${{ filter: "Name, role, state", table: "Accounts" }} />
    <p class="quiet-note view-note">Accounts are made and removed on the server's machine: <code>stocktrack users add NAME</code>, <code>stocktrack users remove NAME</code>.${" "}
      <code>stocktrack users disable NAME</code> shuts somebody out, <code>stocktrack users admin NAME on</code> makes an administrator.</p>`;
}

function UserRow({ row: user, asking }) {
  const { username, sessions, saved_count: saved, tokens, created_at: since, muted_until: mutedUntil } = user;
  const isMe = username === me.value;
  const others = isMe ? sessions - 1 : sessions;
  const askKick = () => asking({
    title: `End ${others === 1 ? "the session" : `all ${others} sessions`} of ${username}?`,
    text: `${isMe ? "This page stays. " : ""}Each client is told that an administrator ended it; nothing keeps it from coming back.`,
    action: "Kick all",
    run: () => kickAll(username),
  });
  const askMute = () => asking({
    title: `Mute ${username}?`,
    text: "Until then nobody hears what this user says in the chat, at any server.",
    action: "Mute",
    fields: html`<p><label class="inline">For <select name="minutes">${TIMES.map(([minutes, words]) => html`<option key=${minutes} value=${minutes} selected=${minutes === 60}>${words}</option>`)}</select></label></p>`,
    run: async (form) => `${username} is muted until ${format.dateAndTime(await mute(username, Number(form.get("minutes"))))}.`,
  });
  const askUnmute = () => asking({
    title: `Let ${username} talk again?`,
    text: `The mute would end ${format.dateAndTime(mutedUntil)}.`,
    action: "Unmute",
    run: async () => {
      await mute(username, 0);
      return `${username} may talk again.`;
    },
  });
  return html`
    <tr role="row" data-user=${username} class=${isMe ? "own" : ""}>
      <th role="rowheader" scope="row" class="who"><bdi>${username}</bdi>${isMe && html` <span class="own-word">you</span>`}</th>
      <${Cell} label="Role">${roleWord(user)}<//>
      <${Cell} label="Sessions" kind="number">${sessions.toLocaleString()}<//>
      <${Cell} label="Saved stocks" kind="number">${saved.toLocaleString()}<//>
      <${Cell} label="Tokens" kind="number">${tokens.toLocaleString()}<//>
      <${Cell} label="Account since" kind="number" title=${format.dateAndTime(since)}>${dayFormat.format(since)}<//>
      <${Cell} label="State" kind="state">${stateWords(user) || "may log in"}<//>
      <td role="cell" class="acts">
        ${others > 0 && html`<button type="button" class="chip" data-stays=${`kick all ${username}`} onClick=${askKick} aria-label=${`Kick all sessions of ${username}: ${others}`}>Kick all</button>`}
        ${(hasChat.value || mutedUntil !== undefined) && html`<button type="button" class="chip" data-stays=${`mute ${username}`} onClick=${mutedUntil === undefined ? askMute : askUnmute} aria-label=${`${mutedUntil === undefined ? "Mute" : "Unmute"} ${username}`}>${mutedUntil === undefined ? "Mute" : "Unmute"}</button>`}
      </td>
    </tr>`;
}
