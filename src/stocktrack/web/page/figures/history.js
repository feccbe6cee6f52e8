// The prices of one symbol since the page was opened, in bounded memory however long that is.

const CAPACITY = 1_024;
const FIRST_SIZE = 64;

/** The last price of each time slot. When it is full, every second one goes and the slots become twice as long. */
export class History {
  length = 0;
  /** Changes when points that were there before have moved or gone, so that a chart has to be drawn anew. */
  generation = 0;
  times = new Float64Array(FIRST_SIZE);
  prices = new Float64Array(FIRST_SIZE);
  #slotMs = 1_000;

  /** Note a price at a time in milliseconds. */
  add(timeMs, price) {
    const slot = Math.floor(timeMs / this.#slotMs) * this.#slotMs;
    const last = this.length - 1;
    if (last >= 0 && slot <= this.times[last]) {
      this.prices[last] = price;
      return;
    }
    if (this.length === CAPACITY) this.#thin();
    if (this.length === this.times.length) this.#grow();
    this.times[this.length] = slot;
    this.prices[this.length] = price;
    this.length += 1;
  }

  #grow() {
    const grow = (old) => {
      const larger = new Float64Array(Math.min(CAPACITY, old.length * 2));
      larger.set(old);
      return larger;
    };
    this.times = grow(this.times);
    this.prices = grow(this.prices);
  }

  #thin() {
    this.#slotMs *= 2;
    let kept = 0;
    for (let index = 1; index < this.length; index += 2, kept += 1) {
      this.times[kept] = this.times[index];
      this.prices[kept] = this.prices[index];
    }
    this.length = kept;
    this.generation += 1;
  }
}
