// Opens the window that lists the columns, which is brought when somebody first wants it.

import { signal } from "../base/html.js";
import { look } from "../base/later.js";
import { notify } from "../session/notices.js";
import { view } from "../session/state.js";

/** The component of the window, once it was brought; null before, and while it is closed. */
export const Chooser = signal(null);

/** Show the window in which columns are chosen. */
export async function openColumns() {
  if (view.value !== "board") return;
  try {
    const [brought] = await Promise.all([import("./chooser.js"), look("columns")]);
    Chooser.value = brought.Chooser;
  } catch {
    notify("The list of columns could not be loaded. Please try again.", { kind: "bad" });
  }
}

/** Show it no longer, and go on where the keyboard was. */
export function closeColumns() {
  Chooser.value = null;
}
