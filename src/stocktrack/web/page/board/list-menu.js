// The menu of a list: another name, another place, its stocks moved by hand, and its end.

import { html, useEffect, useLayoutEffect, useRef } from "../base/html.js";
import { MAIN_STAYS, moveList, removeList } from "../session/lists.js";
import { notify } from "../session/notices.js";
import { isOrdering } from "./reorder.js";
import { MAIN, titleOf } from "../session/shown-list.js";
import { list, lists } from "../session/state.js";

const EDGE_PX = 8;

export function ListMenu({ name, anchor, rename, close }) {
  const menu = useRef(null);

  useLayoutEffect(() => {
    // Below what it belongs to, and inside of the board, which is what it is placed in.
    const around = menu.current.offsetParent.getBoundingClientRect();
    const { left, bottom } = anchor.getBoundingClientRect();
    const most = around.width - menu.current.offsetWidth - EDGE_PX;
    menu.current.style.left = `${Math.max(EDGE_PX, Math.min(left - around.left, most))}px`;
    menu.current.style.top = `${bottom - around.top + 2}px`;
    menu.current.querySelector("button").focus();
  }, []);
  useEffect(() => {
    const away = (event) => {
      if (!menu.current?.contains(event.target) && !anchor.contains(event.target)) close();
    };
    document.addEventListener("pointerdown", away);
    return () => document.removeEventListener("pointerdown", away);
  }, []);

  const leave = () => {
    close();
    if (anchor.isConnected) anchor.focus();
  };
  const keys = (event) => {
    const items = [...menu.current.querySelectorAll("button")];
    const place = items.indexOf(document.activeElement);
    const next = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: -1 }[event.key];
    if (next !== undefined) items.at(next % items.length).focus();
    else if (event.key === "Escape" || event.key === "Tab") leave();
    else return;
    if (event.key !== "Tab") event.preventDefault();
    event.stopPropagation();
  };

  const place = lists.value.indexOf(name);
  const isMain = name === MAIN;
  const item = (label, run, { why, isBad = false } = {}) => html`
    <li role="none"><button type="button" role="menuitem" tabindex="-1" class=${isBad ? "bad" : ""} aria-disabled=${why === undefined ? undefined : "true"}
        onClick=${() => { if (why === undefined) { leave(); run(); } else if (why) notify(why); }}>${label}</button></li>`;
  return html`
    <ul class="list-menu" role="menu" aria-label=${`The list ${titleOf(name)}`} ref=${menu} onKeyDown=${keys}>
      ${item("Rename", rename, { why: isMain ? MAIN_STAYS : undefined })}
      ${item("Move left", () => moveList(name, -1), { why: place > 0 ? undefined : "" })}
      ${item("Move right", () => moveList(name, 1), { why: place < lists.value.length - 1 ? undefined : "" })}
      ${name === list.value && item(isOrdering.value ? "Done moving stocks" : "Move its stocks", () => { isOrdering.value = !isOrdering.value; })}
      ${item("Delete", () => removeList(name), { why: isMain ? MAIN_STAYS : undefined, isBad: true })}
    </ul>
  `;
}
