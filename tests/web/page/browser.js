// As much of a browser as the page's modules ask for when they are loaded: stand-ins that only remember. What an
// element looks like, or where the focus goes, is for the tests in a real browser.
//
// Imported before any module of the page; with it the time stands still (clock.js).

import "./clock.js";
import { replaceGlobal } from "./globals.js";

class ClassList {
  #names = new Set();

  add(...names) {
    for (const name of names) this.#names.add(name);
  }

  remove(...names) {
    for (const name of names) this.#names.delete(name);
  }

  contains(name) {
    return this.#names.has(name);
  }

  toggle(name, isOn = !this.#names.has(name)) {
    if (isOn) this.#names.add(name);
    else this.#names.delete(name);
    return isOn;
  }

  toString() {
    return [...this.#names].join(" ");
  }
}

/** An element with a text, classes, data attributes and children, found by their `data-part`. */
export class FakeElement extends EventTarget {
  classList = new ClassList();
  dataset = {};
  children = [];
  title = "";
  style = new Map();
  #text = "";

  constructor(tagName = "SPAN", parts = []) {
    super();
    this.style.setProperty = this.style.set;
    this.tagName = tagName;
    this.children = parts;
  }

  get textContent() {
    return this.#text + this.children.map((child) => child.data ?? child.textContent).join("");
  }

  set textContent(text) {
    this.children = [];
    this.#text = text;
  }

  appendChild(child) {
    this.children.push(child);
    return child;
  }

  /** The parts, whatever is asked for: the page's views look for nothing else. */
  querySelectorAll() {
    return this.children;
  }
}

/** A part of a row or of the panel. */
export function part(name, tagName = "SPAN") {
  const element = new FakeElement(tagName);
  element.dataset.part = name;
  return element;
}

class FakeStorage {
  #items = new Map();

  getItem(key) {
    return this.#items.get(key) ?? null;
  }

  setItem(key, value) {
    this.#items.set(key, String(value));
  }

  removeItem(key) {
    this.#items.delete(key);
  }
}

class FakeMediaQuery extends EventTarget {
  matches = false;

  /** The system changes its mind. */
  become(matches) {
    this.matches = matches;
    this.dispatchEvent(Object.assign(new Event("change"), { matches }));
  }
}

class FakeDocument extends EventTarget {
  hidden = false;
  title = "";
  baseURI = "https://quotes.example/board/";
  documentElement = new FakeElement("HTML");
  body = new FakeElement("BODY");
  activeElement = this.body;
  announcer = new FakeElement("DIV");

  getElementById(id) {
    return id === "announcer" ? this.announcer : null;
  }

  /** A canvas, in which each sign of a text is 7 px wide. */
  createElement() {
    const context = { font: "", measureText: (text) => ({ width: text.length * 7 }) };
    return { getContext: () => context };
  }

  createTextNode(data) {
    return { data };
  }

  querySelector() {
    return null;
  }

  /** The rows of the board, of which a test may give it some. */
  querySelectorAll() {
    return this.rows;
  }

  rows = [];

  hasFocus() {
    return !this.hidden;
  }
}

export const fakeDocument = new FakeDocument();
export const tabStorage = new FakeStorage();
export const lastingStorage = new FakeStorage();
/** Whether the system is dark. */
export const systemIsDark = new FakeMediaQuery();
/** What the window itself is told: "online", "keydown". */
export const fakeWindow = new EventTarget();

replaceGlobal("document", fakeDocument);
replaceGlobal("sessionStorage", tabStorage);
replaceGlobal("localStorage", lastingStorage);
replaceGlobal("matchMedia", () => systemIsDark);
replaceGlobal("addEventListener", (type, listener) => fakeWindow.addEventListener(type, listener));
replaceGlobal("getComputedStyle", () => ({ fontFamily: "Inter", getPropertyValue: (name) => ` colour of ${name.slice(2)} ` }));
replaceGlobal("devicePixelRatio", 1);
replaceGlobal("CSS", { escape: (text) => text });
replaceGlobal("CloseEvent", class CloseEvent extends Event {});
replaceGlobal(
  "IntersectionObserver",
  class IntersectionObserver {
    observe() {}
    unobserve() {}
  },
);
