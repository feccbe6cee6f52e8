// One row of the board. Preact makes it once; from then on its view (row-view.js) writes the prices into its cells.

import { wantDayLine } from "./day-lines.js";
import { Component, effect, html } from "./html.js";
import { addView } from "./painter.js";
import { RowView, setClass } from "./row-view.js";
import { remove } from "./session.js";
import { chosen, current } from "./state.js";
import { colours } from "./theme.js";

const seen = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      target.view?.show(isIntersecting);
      // A row that has just gone is reported once more.
      if (target.stock) wantDayLine(target.stock, isIntersecting && target.isConnected);
    }
  },
  { rootMargin: "120px 0px" },
);

export class Row extends Component {
  #row = null;
  #undo = [];

  shouldComponentUpdate() {
    return false;
  }

  componentDidMount() {
    const { stock } = this.props;
    const row = this.#row;
    const view = new RowView(stock, row);
    row.view = view;
    row.stock = stock;
    stock.views.add(view);
    view.paint();
    view.tick();
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
        button.tabIndex = (current.value ?? this.props.firstSymbol.value) === stock.symbol ? 0 : -1;
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
    this.props.stock.views.delete(this.#row.view);
  }

  render({ stock }) {
    const { symbol } = stock;
    const keep = (row) => {
      // When the row goes Preact hands over null, before componentWillUnmount, which still needs the element.
      this.#row = row ?? this.#row;
    };
    const choose = () => {
      current.value = symbol;
      chosen.value = symbol;
    };
    const takeOut = (event) => {
      event.stopPropagation();
      remove(symbol);
    };
    return html`
      <tr role="row" data-symbol=${symbol} onClick=${choose} ref=${keep}>
        <th role="rowheader" scope="row" class="c-symbol">
          <button class="pick" type="button" data-pick=${symbol}>${symbol}</button>
          <span class="name" data-part="name" dir="auto"></span>
        </th>
        <td role="cell" class="c-price"><span class="figure" data-part="price"></span> <span class="currency" data-part="currency"></span></td>
        <td role="cell" class="c-change" data-part="change"></td>
        <td role="cell" class="c-percent"><span class="arrow" aria-hidden="true"></span><span data-part="percent"></span></td>
        <td role="cell" class="c-extended"><span aria-hidden="true" data-part="session"></span><span class="unseen" data-part="session_said"></span> <span data-part="extended"></span> <span class="extended-moves" data-part="extended_percent"></span></td>
        <td role="cell" class="c-trend"><canvas data-part="trend" aria-hidden="true"></canvas></td>
        <td role="cell" class="c-volume" data-part="volume"></td>
        <td role="cell" class="c-market"><span class="dot" aria-hidden="true"></span><span data-part="market"></span></td>
        <td role="cell" class="c-age"><span class="when"><span class="stale-word">Stale</span> <span data-part="age"></span></span> <span class="why" data-part="why"></span></td>
        <td role="cell" class="c-remove">
          <button type="button" class="quiet" tabindex="-1" aria-label=${`Remove ${symbol}`} title="Remove" onClick=${takeOut}>
            <svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 4l8 8M12 4l-8 8" /></svg>
          </button>
        </td>
      </tr>
    `;
  }
}
