import { fakeDocument, lastingStorage, systemIsDark } from "./browser.js";
import assert from "node:assert/strict";
import { test } from "node:test";

lastingStorage.setItem("stocktrack.theme", "purple");
const { colours, isDark, nextTheme, theme } = await import("../../../src/stocktrack/web/page/base/theme.js");

const shown = () => fakeDocument.documentElement.dataset.theme;

test("a stored theme that does not exist is forgotten, and the system decides", () => {
  assert.equal(theme.value, "auto");
  assert.equal(lastingStorage.getItem("stocktrack.theme"), null);
  assert.equal(shown(), "light");
});

test("by itself the page follows the system at once", () => {
  systemIsDark.become(true);
  assert.deepEqual([isDark(), shown()], [true, "dark"]);
  systemIsDark.become(false);
  assert.deepEqual([isDark(), shown()], [false, "light"]);
});

test("a theme that was chosen is kept, and the system does not change it", () => {
  nextTheme();
  assert.deepEqual([theme.value, lastingStorage.getItem("stocktrack.theme")], ["light", "light"]);
  systemIsDark.become(true);
  assert.equal(shown(), "light");
  nextTheme();
  assert.deepEqual([theme.value, shown()], ["dark", "dark"]);
  nextTheme();
  assert.deepEqual([theme.value, lastingStorage.getItem("stocktrack.theme")], ["auto", null]);
});

test("a canvas gets the colours of the theme by name", () => {
  assert.equal(colours.value.up, "colour of up");
  assert.deepEqual(Object.keys(colours.value), ["up", "down", "muted", "text", "line", "surface", "accent"]);
});
