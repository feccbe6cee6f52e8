// On a small screen the panel is a sheet over everything: what lies below it takes no keys, no pointer and no screen reader.

import { effect, signal } from "../base/html.js";

// As in panel.css.
const narrow = matchMedia("(max-width: 1099px)");
/** Whether the panel covers the page. */
export const isSheet = signal(narrow.matches);
narrow.addEventListener("change", () => {
  isSheet.value = narrow.matches;
});

let release = () => {};

/** Make all but `panel` inert for as long as it is a sheet; the returned function ends that. */
export function coverPage(panel) {
  const stop = effect(() => {
    release();
    if (!isSheet.value) return;
    const below = [...document.querySelectorAll(".top, .bars, .chat-button, .chat"), ...[...panel.parentElement.children].filter((element) => element !== panel)];
    for (const element of below) element.inert = true;
    release = () => {
      for (const element of below) element.inert = false;
      release = () => {};
    };
  });
  return () => {
    stop();
    release();
  };
}

/** The sheet is about to go: the keyboard may be put on what was below it. */
export function uncoverPage() {
  release();
}
