// The browser's notifications: whether the person wants them here, whether the browser lets us, and how one is shown.

import { effect, signal } from "../base/html.js";
import { recall, remember } from "../base/keeping.js";

const KEY = "stocktrack.notifications";

/** Whether the person has switched them on in this browser. */
export const isWanted = signal(recall(KEY) === "on");
/** What the browser says: "granted", "denied", "default" before it was asked, "insecure", or "absent". */
export const permission = signal(permissionNow());

effect(() => remember(KEY, isWanted.value ? "on" : null));

/** Switch them on or off. On asks the browser for its permission, which it gives only after a click. */
export async function wish(isOn) {
  if (isOn && permissionNow() === "default") await Notification.requestPermission();
  permission.value = permissionNow();
  isWanted.value = isOn && permission.value === "granted";
}

/**
 * Show one where they are wanted and nobody looks at the page: its toast tells who does. Of the same `tag`, which all tabs
 * give it alike, there is one at a time. A click brings the page to the front and calls `open`.
 */
export function notifyBrowser(title, { body, tag, open }) {
  if (!isWanted.value || permissionNow() !== "granted" || isLookedAt()) return;
  try {
    const shown = new Notification(title, { body, tag, icon: new URL("../icon.svg", import.meta.url).href });
    shown.addEventListener("click", () => {
      window.focus();
      shown.close();
      open();
    });
  } catch {
    // Chromium on a phone shows none of a page without a service worker; the toast is there all the same.
    permission.value = "absent";
  }
}

function isLookedAt() {
  return !document.hidden && document.hasFocus();
}

function permissionNow() {
  if (!globalThis.isSecureContext) return "insecure";
  return "Notification" in globalThis ? Notification.permission : "absent";
}
