// One row of the board. Preact makes it once; from then on its view (row-view.js) writes the prices into its cells.

import { wantDayLine } from "../session/day-lines.js";
import { Component, effect, html } from "../base/html.js";
import { addView } from "../base/painter.js";
import { CELLS } from "./cells.js";
import { wantDetails } from "./details.js";
import { matching } from "./filter.js";
import { showLines } from "./layout.js";
import { RowView, setClass } from "./row-view.js";
import { remove } from "../session/shown-list.js";
import { chosen, current } from "../session/state.js";
import { colours } from "../base/theme.js";

const seen = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      target.view?.show(isIntersecting);
      // A row that has just gone is reported once more.
      const isSeen = isIntersecting && target.isConnected;
      if (target.stock) {
        wantDayLine(target.stock, isSeen && target.hasTrend);
        wantDetails(target.stock, isSeen);
      }
    }
  },
  { rootMargin: "120px 0px" },
);

// Longer ones may be cut.
const LONG_SYMBOL = 16;
// Whoever moves the mouse by more than this between pressing and releasing marks a text, and does not click.
const DRAG_PX = 4;
let pressedAt = { x: 0, y: 0 };

export class Row extends Component {
  #row = null;
  #undo = [];

  shouldComponentUpdate() {
    return false;
  }

  componentDidMount() {
    const { stock, layout } = this.props;
    const row = this.#row;
    const view = new RowView(stock, row, [...layout.columns, ...layout.under].map((column) => column.key), layout.line);
    row.view = view;
    row.stock = stock;
    row.hasTrend = layout.columns.some((column) => column.key === "trend");
    showLines(row);
    stock.views.add(view);
    view.paint();
    // Until the browser says that it is seen: of 500 rows a screen shows 30, and no other needs its line drawn.
    view.isSeen = false;
    seen.observe(row);
    const button = row.querySelector(".pick");
    this.#undo = [
      addView(view),
      effect(() => {
        const isChosen = chosen.value === stock.symbol;
        setClass(row, "chosen", isChosen);
        button.setAttribute("aria-pressed", String(isChosen));
      }),
      effect(() => {
        // One stop of the tab key for the whole board; the arrow keys go from row to row.
        button.tabIndex = this.props.tabStop.value === stock.symbol ? 0 : -1;
      }),
      effect(() => {
        // Hidden and not taken out, so that typing in the filter makes no rows anew.
        const isHidden = matching.value !== null && !matching.value.has(stock.symbol);
        if (row.hidden !== isHidden) row.hidden = isHidden;
      }),
      effect(() => {
        // Read, so that another theme draws the line anew.
        void colours.value;
        view.redraw();
      }),
    ];
  }

  componentWillUnmount() {
    for (const undo of this.#undo) undo();
    seen.unobserve(this.#row);
    wantDayLine(this.props.stock, false);
    wantDetails(this.props.stock, false);
    this.props.stock.views.delete(this.#row.view);
  }

  render({ stock, layout }) {
    const { symbol } = stock;
    const keep = (row) => {
      // When the row goes Preact hands over null, before componentWillUnmount, which still needs the element.
      this.#row = row ?? this.#row;
    };
    const press = (event) => {
      pressedAt = { x: event.clientX, y: event.clientY };
    };
    const choose = (event) => {
      if (isMarking(event, this.#row)) return;
      current.value = symbol;
      chosen.value = symbol;
    };
    const takeOut = (event) => {
      event.stopPropagation();
      remove(symbol);
    };
    // Why there is no price, or an old one, is told though its column has no room.
    const hasAge = [...layout.columns, ...layout.under].some((column) => column.key === "age");
    // A price is heard with its currency wherever it stands.
    const isBelow = layout.under.some((column) => column.key === "currency");
    const hasCurrency = isBelow || layout.columns.some((column) => column.key === "currency");
    return html`
      <tr role="row" class=${isBelow ? "has-currency-below" : ""} data-symbol=${symbol} onMouseDown=${press} onClick=${choose} ref=${keep}>
        ${layout.columns.map(({ key, isNumber }) => {
          if (key === "symbol") {
            return html`
              <th role="rowheader" scope="row" class="c-symbol">
                <button class="pick" type="button" data-pick=${symbol} title=${symbol.length > LONG_SYMBOL ? symbol : undefined}>${symbol}</button>
                ${!hasAge && html`<span class="stale-word stale-flag" aria-hidden="true"></span><span class="unseen" data-part="why"></span>`}
              </th>`;
          }
          if (key === "remove") {
            return html`
              <td role="cell" class="c-remove">
                <button type="button" class="quiet" tabindex="-1" aria-label=${`Remove ${symbol}`} title="Remove" onClick=${takeOut}>
                  <svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 4l8 8M12 4l-8 8" /></svg>
                </button>
              </td>`;
          }
          return html`
            <td role="cell" class=${isNumber ? `c-${key} number` : `c-${key}`}>
              ${CELLS[key].draw()}
              ${key === "price" && !hasCurrency && html`<span class="unseen"> <span data-part="currency"></span></span>`}
            </td>`;
        })}
        ${layout.under.map(({ key }) => html`<td role="cell" class=${`c-${key} under`}>${CELLS[key].draw()}</td>`)}
      </tr>
    `;
  }
}

/** Whether a click is the end of marking a text with the mouse. */
function isMarking(event, row) {
  if (event.detail === 0) return false; // by the keyboard
  if (Math.hypot(event.clientX - pressedAt.x, event.clientY - pressedAt.y) > DRAG_PX) return true;
  const selection = getSelection();
  return !selection.isCollapsed && selection.containsNode(row, true) && !event.target.closest("button");
}
