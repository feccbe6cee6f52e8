// The administrator's part of the page: sessions, accounts, sources, and a word to everybody.

import { missing, readSessions, readSources, readUsers, refusal, sessions, trouble, users, wasAdmin } from "./admin-list.js";
import { AnnouncePart } from "./announce-part.js";
import { Confirm } from "./confirm.js";
import { SessionsPart } from "./sessions-part.js";
import { SourcesPart } from "./sources-part.js";
import { UsersPart } from "./users-part.js";
import { html, signal, useEffect, useState } from "../base/html.js";
import { everySeconds } from "../base/painter.js";
import { isOnline, user } from "../session/state.js";
import { ViewHead } from "../parts/view-head.js";

const READ_EVERY_SECONDS = 5;
// Thousands of accounts come in many pages, and change seldom.
const MANY_USERS = 500;
const READ_MANY_EVERY_SECONDS = 60;

const PARTS = [
  ["sessions", "Sessions", SessionsPart, readSessions],
  ["users", "Users", UsersPart, readUsers],
  ["sources", "Sources", SourcesPart, readSources],
  ["announce", "Announce", AnnouncePart, readSessions],
];
// Which one is open stays while the person is elsewhere on the page.
const open = signal("sessions");

export function AdminView() {
  const isReady = isOnline.value;
  const name = open.value;
  const [, , Shown, read] = PARTS.find(([each]) => each === name);
  const [asked, setAsked] = useState(null);
  const isSeldom = name === "users" && (users.value?.length ?? 0) > MANY_USERS;
  useEffect(() => {
    if (!isReady) return undefined;
    read();
    return everySeconds(isSeldom ? READ_MANY_EVERY_SECONDS : READ_EVERY_SECONDS, read);
  }, [isReady, name, isSeldom]);
  // Whoever may do nothing any more is asked nothing any more.
  useEffect(() => {
    if (refusal.value) setAsked(null);
  }, [refusal.value]);
  return html`
    <section class="view admin" aria-labelledby="view-title">
      <${ViewHead} title="Administration">${!refusal.value && html`<${Tabs} name=${name} />`}<//>
      <p class="field-error view-note" role="alert" dir="auto">${trouble.value}</p>
      ${missing.value && html`<p class="trouble-note view-note" role="status" dir="auto">${missing.value}</p>`}
      ${refusal.value ? html`<${Refused} read=${read} />` : html`<div role="tabpanel" id="admin-part" aria-labelledby=${`admin-${name}`}><${Shown} asking=${setAsked} /></div>`}
      ${asked && html`<${Confirm} asked=${asked} close=${() => setAsked(null)} />`}
    </section>`;
}

function Tabs({ name }) {
  const counts = { sessions: sessions.value?.length, users: users.value?.length };
  const move = (event) => {
    const place = PARTS.findIndex(([each]) => each === name);
    const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: PARTS.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    [open.value] = PARTS.at(to % PARTS.length);
    document.getElementById(`admin-${open.value}`)?.focus();
  };
  return html`
    <div class="admin-tabs" role="tablist" aria-label="Administration" onKeyDown=${move}>
      ${PARTS.map(([each, label]) => html`
        <button type="button" key=${each} id=${`admin-${each}`} role="tab" aria-selected=${each === name ? "true" : "false"} aria-controls="admin-part" tabindex=${each === name ? 0 : -1}
          onClick=${() => { open.value = each; }}>${label}${counts[each] === undefined ? "" : html` <span class="count">${counts[each].toLocaleString()}</span>`}</button>`)}
    </div>`;
}

/** Why there is nothing to see here. */
function Refused({ read }) {
  return html`
    <div class="view-part refused" role="alert">
      <p><b>${wasAdmin.value ? "You are no administrator any more." : "This part of the page is for administrators."}</b></p>
      <p dir="auto">You are logged in as <bdi>${user.value}</bdi>. The server says: ${refusal.value}</p>
      <p>Whoever runs the server makes an administrator there: <code>stocktrack users admin NAME on</code>.</p>
      <p><button type="button" class="plain" onClick=${read}>Look again</button></p>
    </div>`;
}
