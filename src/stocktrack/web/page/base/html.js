// The one place that knows where the third-party modules are: Preact, its hooks, its signals, and htm bound to Preact.

import htm from "../vendor/htm.js";
import { h } from "../vendor/preact.js";

export { Component, render } from "../vendor/preact.js";
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/hooks.js";
export { batch, computed, effect, signal } from "../vendor/signals.js";

export const html = htm.bind(h);
