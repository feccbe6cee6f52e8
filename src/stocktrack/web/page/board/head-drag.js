// Dragging a heading of the board to another place with the mouse or a pen. Fingers scroll; for them there is the window
// that lists the columns.

import { followPointer } from "./dragging.js";

/** Follow the pointer that went down on the heading of `key`; `drop` is told which key it is dropped before, null for the end. */
export function beginDrag(event, key, drop) {
  if (event.button !== 0 || event.pointerType === "touch") return;
  const head = event.currentTarget;
  const row = head.parentElement;
  let target = null;
  const mark = (next) => {
    target?.head.classList.remove("drop-before", "drop-after");
    target = next;
    target?.head.classList.add(target.isBefore ? "drop-before" : "drop-after");
  };
  const letGo = () => {
    mark(null);
    head.classList.remove("dragged");
  };
  followPointer(event, {
    begin: () => head.classList.add("dragged"),
    move: ({ x }) => {
      getSelection().removeAllRanges();
      mark(targetAt(row, x));
    },
    drop: () => {
      const dropped = target;
      letGo();
      const before = dropped && (dropped.isBefore ? keyOf(dropped.head) : keyOf(nextOf(dropped.head)));
      if (dropped && before !== key && nextOf(head) !== (dropped.isBefore ? dropped.head : null)) drop(before);
    },
    giveUp: letGo,
  });
}

/** The heading at `x` px from the left, and whether its left half is there. */
function targetAt(row, x) {
  const heads = [...row.children].filter((head) => keyOf(head) !== null && keyOf(head) !== "symbol");
  for (const head of heads) {
    const { left, width } = head.getBoundingClientRect();
    if (x < left + width) return { head, isBefore: x < left + width / 2 };
  }
  return { head: heads.at(-1), isBefore: false };
}

function nextOf(head) {
  return head.nextElementSibling;
}

/** The key of a heading; null for the end. */
function keyOf(head) {
  const key = head && /\bc-([a-z]+)/.exec(head.className)?.[1];
  return !key || key === "remove" ? null : key;
}
