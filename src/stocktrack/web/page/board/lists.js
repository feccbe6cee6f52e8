// The tabs of the user's lists: which one is shown, the fields that name one, and the menu of each.

import { drawWhileDragging, dropMark, followPointer, scrollSpeed } from "./dragging.js";
import { html, signal, useEffect, useLayoutEffect, useRef, useState } from "../base/html.js";
import { beginList, orderLists, renameList, showList } from "../session/lists.js";
import { ListMenu } from "./list-menu.js";
import { isOrdering } from "./reorder.js";
import { titleOf } from "../session/shown-list.js";
import { list, lists } from "../session/state.js";

/** The list whose menu is open: {name, anchor}, with the element below which it opens; or null. */
const menu = signal(null);

// A click so soon after another at the same place is its second one, although what was behind the tab has come there.
const DOUBLE_CLICK_MS = 500;
const DOUBLE_CLICK_PX = 4;
let picked = { at: -Infinity, x: 0, y: 0 };

export function Lists() {
  const opened = menu.value;
  const [naming, setNaming] = useState(null); // the list that is given another name, "" for a new one, or null
  const strip = useRef(null);
  const begun = naming === "";
  useEffect(() => {
    // With many lists the tab of the one that is shown may be out of sight.
    strip.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [list.value, lists.value]);

  const openMenu = (name, anchor) => {
    menu.value = { name, anchor };
  };
  const pick = (event, name) => {
    if (name !== list.value) picked = { at: performance.now(), x: event.clientX, y: event.clientY };
    showList(name);
  };
  const openMore = (event, name) => {
    const isSecond = performance.now() - picked.at < DOUBLE_CLICK_MS && Math.hypot(event.clientX - picked.x, event.clientY - picked.y) <= DOUBLE_CLICK_PX;
    if (isSecond && event.detail > 0) setNaming(name);
    else openMenu(name, event.currentTarget);
  };
  const keys = (event, name) => {
    if (event.key === "F2") setNaming(name);
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") neighbour(event.currentTarget, event.key === "ArrowLeft" ? -1 : 1)?.focus();
    else return;
    event.preventDefault();
  };
  return html`
    <nav class="lists" aria-label="Lists" ref=${strip}>
      ${lists.value.map((name) => (naming === name && name !== "main"
        ? html`<${NameField} key=${name} name=${name} label=${`New name of the list ${name}`} close=${() => setNaming(null)} take=${(newName) => renameList(name, newName)} />`
        : html`
          <button key=${name} type="button" aria-current=${name === list.value ? "true" : undefined} data-list=${name} title=${titleOf(name)}
                  onClick=${(event) => pick(event, name)} onDblClick=${() => setNaming(name)} onKeyDown=${(event) => keys(event, name)}
                  onPointerDown=${(event) => dragTab(event, name)}
                  onContextMenu=${(event) => { event.preventDefault(); openMenu(name, event.currentTarget); }}><span dir="auto">${titleOf(name)}</span></button>
          ${name === list.value && html`
            <button key="more" type="button" class="list-more" data-more aria-label=${`The list ${titleOf(name)}: rename, move, delete`} title="Rename, move, delete"
                    aria-haspopup="menu" aria-expanded=${opened ? "true" : "false"} onClick=${(event) => openMore(event, name)}>⋯</button>`}`))}
      ${begun
        ? html`<${NameField} name="" label="Name of the new list" close=${() => setNaming(null)} take=${beginList} />`
        : html`<button type="button" class="new-list" title="New list" aria-label="New list" onClick=${() => setNaming("")}>+</button>`}
      ${isOrdering.value && html`<button type="button" class="ordering-done" onClick=${() => { isOrdering.value = false; }}>Done moving</button>`}
    </nav>
    ${opened && html`<${ListMenu} ...${opened} rename=${() => setNaming(opened.name)} close=${() => { menu.value = null; }} />`}
  `;
}

/** A field for a name, which stays while the server does not take it. */
function NameField({ name, label, take, close }) {
  const field = useRef(null);
  const isTaking = useRef(false);
  useLayoutEffect(() => {
    field.current.focus();
    field.current.select();
  }, []);
  const submit = async (event) => {
    event.preventDefault();
    if (isTaking.current) return;
    const text = field.current.value.trim();
    if (!text || text === name) {
      close();
      return;
    }
    isTaking.current = true;
    const isTaken = await take(text);
    isTaking.current = false;
    if (isTaken) close();
    else field.current?.focus();
  };
  const keys = (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
    requestAnimationFrame(() => document.querySelector(".lists [aria-current]")?.focus());
  };
  return html`
    <form onSubmit=${submit}>
      <input ref=${field} aria-label=${label} placeholder="Name" maxlength="64" dir="auto" defaultValue=${name} enterkeyhint="done"
             onBlur=${() => isTaking.current || close()} onKeyDown=${keys} />
    </form>
  `;
}

function neighbour(tab, step) {
  const tabs = [...tab.closest(".lists").querySelectorAll("button")];
  return tabs[tabs.indexOf(tab) + step];
}

/** Move a tab. A finger scrolls the tabs; while stocks are moved by hand, it moves the tab of the list that is shown. */
function dragTab(event, name) {
  const canMove = event.pointerType !== "touch" || (isOrdering.value && name === list.value);
  if (event.button !== 0 || !canMove) return;
  const tab = event.currentTarget;
  const strip = tab.parentElement;
  const start = strip.scrollLeft;
  // Beyond the last tab the tab would make room to scroll on for ever.
  const [least, most] = [-tab.offsetLeft, strip.scrollWidth - tab.offsetLeft - tab.offsetWidth];
  let at = { x: event.clientX, dx: 0 };
  const mark = dropMark();
  const draw = () => {
    tab.style.translate = `${Math.max(least, Math.min(most, at.dx + strip.scrollLeft - start))}px 0`;
    const { top, height } = strip.getBoundingClientRect();
    const over = document.elementsFromPoint(at.x, top + height / 2).map((each) => each.closest("[data-list]")).find((each) => each && each !== tab);
    const bounds = over?.getBoundingClientRect();
    mark.put(over ?? null, bounds !== undefined && at.x > bounds.left + bounds.width / 2);
  };
  const speed = () => {
    const { left, right } = strip.getBoundingClientRect();
    return scrollSpeed(at.x, { start: left, end: right });
  };
  let drawing = null;
  const letGo = () => {
    drawing.end();
    mark.put(null, false);
    tab.classList.remove("dragged");
    tab.style.translate = "";
  };
  followPointer(event, {
    begin: () => {
      drawing = drawWhileDragging({ scroller: strip, property: "scrollLeft", speed, draw });
      tab.classList.add("dragged");
      return true;
    },
    move: (to) => {
      at = to;
      drawing.ask();
    },
    drop: () => {
      // What the last movement led to may not have been drawn yet.
      drawing.now();
      const over = mark.over?.dataset.list;
      const behind = mark.isBehind;
      letGo();
      if (over === undefined) return;
      const others = lists.value.filter((each) => each !== name);
      const place = others.indexOf(over) + (behind ? 1 : 0);
      orderLists([...others.slice(0, place), name, ...others.slice(place)]);
    },
    giveUp: letGo,
  });
}
