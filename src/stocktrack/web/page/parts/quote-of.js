// The price of a symbol that somebody types into a form: that on the screen, or asked for once.

import { shownDigits } from "../figures/digits.js";
import { useEffect, useState } from "../base/html.js";
import { everySecond } from "../base/painter.js";
import { ask } from "../session/asking.js";
import { stockOf } from "../session/state.js";

/** {price, currency, digits}, undefined while it is not known; `tellTrouble` is told why there is none. */
export function useQuote(symbol, tellTrouble) {
  const [asked, setAsked] = useState({});
  const [, setSecond] = useState(0);
  const stock = stockOf(symbol);
  useEffect(() => {
    if (!symbol || stock) return undefined;
    let isWanted = true;
    ask("GET", { symbols: [symbol] }).then(
      ({ quotes }) => isWanted && setAsked({ symbol, quote: quotes[0] }),
      // A lost connection is told elsewhere.
      (error) => isWanted && error.code && tellTrouble(error.message),
    );
    return () => {
      isWanted = false;
    };
  }, [symbol, stock === undefined]);
  // Prices are no signals.
  useEffect(() => everySecond(() => setSecond((second) => second + 1)), []);
  if (stock?.quote) return { price: stock.quote.price, currency: stock.quote.currency, digits: stock.digits };
  const quote = asked.symbol === symbol ? asked.quote : undefined;
  return quote && { price: quote.price, currency: quote.currency, digits: shownDigits(quote) };
}
