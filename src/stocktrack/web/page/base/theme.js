// Dark or light: as the system says, unless the person chose.

import { effect, signal } from "./html.js";
import { recall, remember } from "./keeping.js";

const KEY = "stocktrack.theme";
const ORDER = ["auto", "light", "dark"];
const system = matchMedia("(prefers-color-scheme: dark)");
const isSystemDark = signal(system.matches);
system.addEventListener("change", (event) => {
  isSystemDark.value = event.matches;
});

export const theme = signal(ORDER.includes(recall(KEY)) ? recall(KEY) : "auto");

/** Whether the page is dark now. */
export function isDark() {
  return theme.value === "auto" ? isSystemDark.value : theme.value === "dark";
}

/** The colours of the theme by name, for a canvas, which has no CSS variables. */
export const colours = signal({});

/** Go from `auto` to `light` to `dark` and round again. */
export function nextTheme() {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length];
}

effect(() => {
  const root = document.documentElement;
  root.dataset.theme = isDark() ? "dark" : "light";
  remember(KEY, theme.value === "auto" ? null : theme.value);
  const style = getComputedStyle(root);
  const names = ["up", "down", "muted", "text", "line", "surface", "accent"];
  colours.value = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
});
