// One row of the board. Preact makes it once; from then on its view writes the prices into its cells.

import * as format from "./format.js";
import { Component, effect, html } from "./html.js";
import { addView, flash } from "./painter.js";
import { remove } from "./session.js";
import { draw, prepare } from "./sparkline.js";
import { chosen, current, serverNow } from "./state.js";
import { colours } from "./theme.js";

const seen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) entry.target.view?.show(entry.isIntersecting);
  },
  { rootMargin: "120px 0px" },
);

/** Writes one stock's figures into the cells of its row. */
class RowView {
  isSeen = true;
  #stock;
  #row;
  #cells = {};
  #texts = {};
  #context;
  #changes;
  #drawn = -1;

  constructor(stock, row) {
    this.#stock = stock;
    this.#row = row;
    this.#changes = stock.changes;
    for (const cell of row.querySelectorAll("[data-part]")) {
      this.#cells[cell.dataset.part] = cell;
      // Its own text node, changed in place: `textContent` would make a new one for each price.
      if (cell.tagName !== "CANVAS") this.#texts[cell.dataset.part] = cell.appendChild(document.createTextNode(""));
    }
    this.#context = prepare(this.#cells.trend);
  }

  show(isSeen) {
    this.isSeen = isSeen;
    if (isSeen) {
      this.paint();
      this.tick();
    }
  }

  paint() {
    const { quote, details, digits } = this.#stock;
    this.#write("name", details.name ?? details.exchange ?? "");
    this.#row.classList.toggle("empty", quote === undefined);
    if (quote === undefined) {
      this.#write("price", this.#stock.missing ? format.NOTHING : "…");
      this.#write("why", this.#stock.missing ? lackWords(this.#stock.missing) : "");
      return;
    }
    this.#write("price", format.price(quote.price, digits));
    this.#write("currency", quote.currency ?? "");
    this.#write("change", format.signed(quote.change, digits));
    this.#write("percent", format.percent(quote.change_percent));
    this.#write("volume", format.compact(quote.volume));
    this.#write("market", format.marketState(quote.market_state));
    const sign = Math.sign(quote.change ?? 0);
    setClass(this.#row, "up", sign > 0);
    setClass(this.#row, "down", sign < 0);
    setClass(this.#row, "stale", quote.stale);
    if (this.#row.dataset.market !== quote.market_state) this.#row.dataset.market = quote.market_state;
    this.#write("why", quote.stale ? format.staleReason(quote.stale_reason) : "");
    if (this.#stock.changes !== this.#changes) {
      this.#changes = this.#stock.changes;
      flash(this.#cells.price, this.#stock.direction);
    }
    // A price that has just come has its age at once, and not after up to a second.
    this.#writeAge();
  }

  tick() {
    this.#writeAge();
    const { history } = this.#stock;
    const drawn = history.generation * 1e6 + history.length + (history.prices[history.length - 1] ?? 0) / 1e9;
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      draw(this.#context, history);
    }
  }

  redraw() {
    this.#drawn = -1;
    if (this.isSeen) this.tick();
  }

  #writeAge() {
    const at = this.#stock.pricedAt;
    if (at !== undefined) this.#write("age", format.age(serverNow() - at, at));
  }

  #write(part, text) {
    const node = this.#texts[part];
    if (node.data !== text) node.data = text;
  }
}

function setClass(element, name, isOn) {
  if (element.classList.contains(name) !== isOn) element.classList.toggle(name, isOn);
}

function lackWords(reason) {
  return reason === "pending" ? "waiting for source" : format.staleReason(reason);
}

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
        colours.value;
        view.redraw();
      }),
    ];
  }

  componentWillUnmount() {
    for (const undo of this.#undo) undo();
    seen.unobserve(this.#row);
    this.props.stock.views.delete(this.#row.view);
  }

  render({ stock }) {
    const { symbol } = stock;
    const keep = (row) => {
      // At the end Preact hands over null; the row is needed a little longer, to be given up in order.
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
