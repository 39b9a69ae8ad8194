/**
 * Numbers in words, as the analysis writes them: the same rounding as `analysis/sentences/phrases.py`, function by
 * function. What is concluded comes from there as text; this is for what a person selects on the page. That both write
 * the same is tested over many numbers (tests/views/test_phrases.py).
 */
const Phrases = (() => {
  const MOST_DECIMALS = 6; // readers do not count more, so that a power of ten is written instead
  const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

  /** Three significant digits and a true minus; a dash where there is no number. @param {number | null | undefined} value */
  function number(value) {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
    const text = significant(Math.abs(value));
    return (value < 0 && text !== "0" ? "−" : "") + text;
  }

  /** @param {number} size not negative */
  function significant(size) {
    if (size <= 1e-12) return "0"; // the rounding of sums of scores, not a score
    const places = 2 - power(size);
    if (size >= 1000) return grouped(size, 0);
    if (places <= 0) return decimals(size, 0);
    const text = places <= 6 || Number(size.toPrecision(3)) >= 1e-4 ? decimals(size, places) : tiny(size, places);
    return text.includes("×") ? text : text.replace(/\.?0+$/, "");
  }

  /** A number with so many decimals, thousands apart; no sign before a zero. @param {number} value @param {number} digits */
  function fixed(value, digits) {
    if (!Number.isFinite(value)) return number(value);
    const text = digits > MOST_DECIMALS ? tiny(Math.abs(value), digits) : grouped(Math.abs(value), digits);
    return (value < 0 && /[1-9]/.test(text) ? "−" : "") + text;
  }

  /** Decimals that show two significant digits of the interval's half-width. @param {number} low @param {number} high */
  function digitsOf(low, high) {
    const half = (high - low) / 2;
    const largest = Math.max(Math.abs(low), Math.abs(high));
    if (!Number.isFinite(half) || largest === 0) return 3;
    if (half <= 1e-9 * largest) return Math.max(3, -Math.floor(Math.log10(largest) + 1e-9)); // rounding, not width
    return Math.max(1 - power(half), 0);
  }

  /** @param {number} low @param {number} high */
  function between(low, high) {
    const digits = digitsOf(low, high);
    return `${fixed(low, digits)} to ${fixed(high, digits)}`;
  }

  /** A mean with its 95 % interval, in the digits that the interval deserves. @param {{mean: number, low: number, high: number}} estimate */
  const estimate = ({ mean, low, high }) =>
    Number.isFinite(low) ? `${fixed(mean, digitsOf(low, high))} (95 % from ${between(low, high)})` : number(mean);

  /** A time as people say it. @param {number} seconds */
  function duration(seconds) {
    if (seconds < 10) return `${number(Number(rounded(seconds)))} s`;
    if (seconds < 100) return `${decimals(seconds, 0)} s`;
    return seconds < 5400 ? `${decimals(seconds / 60, 0)} min` : `${decimals(seconds / 3600, 1)} h`;
  }

  /** Two significant digits. @param {number} value not negative */
  const rounded = (value) => (value === 0 ? "0" : decimals(value, Math.min(100, 1 - power(value))));

  /** So many of something: "1 prompt", "1,200 prompts". @param {number} n @param {string} word */
  const count = (n, word) => `${grouped(n, 0)} ${word}${n === 1 ? "" : "s"}`;

  /** A number of more decimals than people read, by a power of ten. @param {number} value @param {number} digits */
  function tiny(value, digits) {
    if (value < 0.5 * Number(`1e-${digits}`)) return "0";
    const exponent = power(value);
    if (exponent >= -3) return decimals(value, digits);
    const mantissa = decimals(value / Number(`1e${exponent}`), Math.max(digits + exponent, 0));
    return `${mantissa} × 10⁻${[...String(-exponent)].map((digit) => RAISED[Number(digit)]).join("")}`;
  }

  /** The power of ten of the first digit that is not 0. @param {number} value above 0 */
  const power = (value) => Math.floor(Math.log10(value));

  /**
   * As `toFixed`, but a tie goes to the even digit as in Python: 0.125 is 0.12 and not 0.13.
   * @param {number} value not negative @param {number} digits
   */
  function decimals(value, digits) {
    if (value >= 1e21) return BigInt(value).toString() + (digits ? "." + "0".repeat(digits) : ""); // toFixed writes an exponent there
    const text = value.toFixed(digits);
    const whole = value.toFixed(100); // all digits that a number has, far beyond those of a tie
    const cut = whole.indexOf(".") + 1 + digits;
    const isTie = whole[cut] === "5" && /^50*$/.test(whole.slice(cut));
    return isTie && Number(text[text.length - 1]) % 2 === 1 ? whole.slice(0, digits ? cut : cut - 1) : text;
  }

  /** Decimals with commas between thousands. @param {number} value not negative @param {number} digits */
  const grouped = (value, digits) => decimals(value, digits).replace(/^\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ","));

  return { number, fixed, digitsOf, between, estimate, duration, count };
})();
