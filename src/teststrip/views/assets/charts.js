/** The charts: a score against each axis with its intervals, and quality against seconds with the frontier. */
const Charts = (() => {
  const [WIDTH, HEIGHT] = [336, 208];
  const EDGE = { left: 46, right: 14, top: 12, bottom: 34 };

  /** @typedef {{label: string, x: number | null, mean: number, low: number | null, high: number | null, n: number, text: string, level: number}} Point */

  /** @param {{board: Model, view: View}} props */
  function Charts({ board, view }) {
    const axes = board.axes.filter((axis) => axis.labels.length > 1);
    const metric = board.metrics[board.metric(view.metric)];
    const passes = useMemo(() => board.places.filter((place) => place.file), [board]);
    if (!metric) return null;
    return html`<section class="charts" aria-label="Charts">
      ${axes.map((axis) => html`<${AxisChart} key=${axis.name} board=${board} view=${view} axis=${axis} metric=${metric} places=${passes} />`)}
      ${metric.name !== "seconds" && html`<${Frontier} board=${board} view=${view} metric=${metric} places=${passes} />`}
    </section>`;
  }

  /** Means of a level over prompts, with intervals of within-prompt differences. The analysis's own numbers where it has them. @param {Model} board @param {Place[]} places @param {string} axis @param {string} metric @returns {Point[]} */
  function points(board, places, axis, metric) {
    const n = board.axes.findIndex((each) => each.name === axis);
    const { labels, numbers } = board.axes[n];
    const concluded = board.findings.find((finding) => finding.axis === axis && finding.metric === metric && finding.levels?.length);
    if (concluded)
      return (concluded.levels ?? []).filter((each) => each.mean !== null).map((each) => ({
        label: each.label, x: each.x, mean: /** @type {number} */ (each.mean), low: each.low, high: each.high, n: each.prompts, text: each.text, level: labels.indexOf(each.label),
      }));
    const sums = board.prompts.map(() => labels.map(() => ({ sum: 0, n: 0 })));
    for (const place of places) {
      const score = Board.score(board, place, metric);
      if (score === null) continue;
      const cell = sums[place.prompt][place.at[n]];
      cell.sum += score;
      cell.n += 1;
    }
    const table = sums.map((row) => row.map((cell) => (cell.n ? cell.sum / cell.n : NaN)));
    return Numbers.within(table).map((each, level) => ({
      label: labels[level], x: numbers?.[level] ?? null, mean: each.mean,
      low: Number.isFinite(each.low) ? each.low : null, high: Number.isFinite(each.high) ? each.high : null, n: each.n, text: Numbers.estimated(each), level,
    }));
  }

  /** @param {{board: Model, view: View, axis: Model["axes"][number], metric: Metric, places: Place[]}} props */
  function AxisChart({ board, view, axis, metric, places }) {
    const found = useMemo(() => points(board, places, axis.name, metric.name), [board, places, metric.name]);
    if (found.length < 2) return null;
    const id = board.dims[board.axes.indexOf(axis)].id;
    const order = axis.numbers ? [...found].sort((a, b) => Number(a.x) - Number(b.x)) : found;
    const numbers = order.map((point, n) => (axis.numbers ? Number(point.x) : n));
    const log = axis.numbers !== null && numbers[0] > 0 && numbers[numbers.length - 1] / numbers[0] >= 10;
    const x = scale(numbers.map((value) => (log ? Math.log(value) : value)), EDGE.left + 16, WIDTH - EDGE.right - 16);
    const ends = order.flatMap((point) => [point.mean, point.low ?? point.mean, point.high ?? point.mean]);
    const y = scale(ends, HEIGHT - EDGE.bottom - 6, EDGE.top + 6);
    const at = order.map((point, n) => ({ ...point, px: x(log ? Math.log(numbers[n]) : numbers[n]), py: y(point.mean) }));
    const band = at.every((point) => point.low !== null)
      ? "M" + [...at.map((p) => `${p.px} ${y(Number(p.high))}`), ...[...at].reverse().map((p) => `${p.px} ${y(Number(p.low))}`)].join("L") + "Z" : "";
    const step = Math.ceil(at.length / 8);
    const title = `${Board.title(board, metric.name)} against ${Board.title(board, axis.name)}`;
    return html`<figure class="chart"><figcaption>${title}</figcaption>
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="group" aria-label=${title}>
        ${grid(y, ends)}
        ${axis.numbers ? html`<path class="band" d=${band} /><path class="line" d=${"M" + at.map((p) => `${p.px} ${p.py}`).join("L")} />` : ""}
        ${at.map((point) => point.low !== null && html`<path class="whisker" d=${`M${point.px} ${y(point.low)}V${y(Number(point.high))}`} />`)}
        ${at.map((point) => dot(point.px, point.py, `${Board.title(board, axis.name)} ${point.label}: ${point.text}, ${Say.count(point.n, "prompt")}`,
          () => Store.set({ ...Top.evidence(board, view, /** @type {any} */ ({ metric: metric.name, axis: axis.name })), keep: { [id]: [point.level] } })))}
        ${at.map((point, n) => n % step === 0 && html`<text x=${point.px} y=${HEIGHT - EDGE.bottom + 18} text-anchor="middle">${short(point.label, at.length)}</text>`)}
      </svg>
      <p>${order[0].low === null ? "Mean over prompts." : `Mean over ${Say.count(order[0].n, "prompt")}; 95 % intervals of differences within a prompt.`}</p></figure>`;
  }

  /** Cells: mean score against mean seconds. The frontier joins those that no other beats on both. @param {{board: Model, view: View, metric: Metric, places: Place[]}} props */
  function Frontier({ board, metric, places }) {
    const found = useMemo(() => frontier(board, places, metric), [board, places, metric.name]);
    if (found.length < 2) return null;
    const least = Math.min(...found.map((point) => point.seconds));
    const most = Math.max(...found.map((point) => point.seconds));
    const log = least > 0 && most / least >= 10;
    const of = (/** @type {number} */ seconds) => (log ? Math.log(seconds) : seconds);
    const x = scale(found.map((point) => of(point.seconds)), EDGE.left + 10, WIDTH - EDGE.right - 10);
    const y = scale(found.map((point) => point.score), HEIGHT - EDGE.bottom - 6, EDGE.top + 10);
    const best = found.filter((point) => point.best).sort((a, b) => a.seconds - b.seconds);
    const title = `${Board.title(board, metric.name)} against seconds`;
    return html`<figure class="chart"><figcaption>${title}</figcaption>
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="group" aria-label=${title}>
        ${grid(y, found.map((point) => point.score))}
        ${metric.higher_is_better !== null && html`<path class="frontier" d=${"M" + best.map((p) => `${x(of(p.seconds))} ${y(p.score)}`).join("L")} />`}
        ${found.map((point) => dot(x(of(point.seconds)), y(point.score), `${point.name}: ${Numbers.say(point.score)}, ${Numbers.say(point.seconds)} s${point.best ? ", on the frontier" : ""}`,
          () => Store.set({ keep: point.keep, layout: "grid" }), point.best ? "best" : "other"))}
        ${[least, most].map((seconds, n) => html`<text x=${x(of(seconds))} y=${HEIGHT - EDGE.bottom + 18} text-anchor=${n ? "end" : "start"}>${Numbers.say(seconds)} s</text>`)}
      </svg>
      <p>${metric.higher_is_better === null ? "One dot a setting." : `One dot a setting; the line joins those that no other beats in both. Means, not verdicts.`}</p></figure>`;
  }

  /** @param {Model} board @param {Place[]} places @param {Metric} metric */
  function frontier(board, places, metric) {
    const sums = board.cells.map(() => ({ score: 0, seconds: 0, n: 0 }));
    for (const place of places) {
      const score = Board.score(board, place, metric.name);
      if (score === null || place.seconds == null) continue;
      const sum = sums[place.cell];
      sum.score += score;
      sum.seconds += place.seconds;
      sum.n += 1;
    }
    const sign = metric.higher_is_better === false ? -1 : 1;
    const found = sums.map((sum, cell) => ({ cell, n: sum.n, score: sum.score / sum.n, seconds: sum.seconds / sum.n })).filter((point) => point.n > 0);
    return found.map((point) => {
      const at = board.cells[point.cell].at;
      const levels = board.axes.map((axis, n) => ({ axis, id: board.dims[n].id, level: at[n] })).filter(({ axis }) => axis.labels.length > 1);
      return {
        ...point,
        best: metric.higher_is_better !== null && !found.some((other) => other.seconds <= point.seconds && sign * other.score >= sign * point.score && (other.seconds < point.seconds || other.score !== point.score)),
        name: levels.map(({ axis, level }) => `${Board.title(board, axis.name)} ${axis.labels[level]}`).join(", ") || "the only setting",
        keep: Object.fromEntries(levels.map(({ id, level }) => [id, [level]])),
      };
    });
  }

  /** @param {number[]} values @param {number} from @param {number} to */
  function scale(values, from, to) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return (/** @type {number} */ value) => Number((high === low ? (from + to) / 2 : from + ((value - low) / (high - low)) * (to - from)).toFixed(1));
  }

  /** A few quiet lines with round numbers. @param {(value: number) => number} y @param {number[]} values */
  function grid(y, values) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const raw = (high - low) / 4 || 1;
    const size = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((n) => n * size).find((each) => each >= raw) ?? raw;
    const ticks = [];
    for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) ticks.push(Number(value.toPrecision(12)));
    return ticks.map((value) => html`<path class="rule" d=${`M${EDGE.left} ${y(value)}H${WIDTH - EDGE.right}`} /><text x=${EDGE.left - 8} y=${y(value) + 4} text-anchor="end">${tick(value, step)}</text>`);
  }

  /** @param {number} value @param {number} step */
  const tick = (value, step) => (Math.abs(value) >= 1e5 || step < 1e-4 ? Numbers.say(value) : value.toFixed(Math.max(0, Math.min(6, -Math.floor(Math.log10(step)))))).replace("-", "−");

  /** @param {number} x @param {number} y @param {string} text @param {() => void} show @param {string} [kind] */
  const dot = (x, y, text, show, kind = "best") => html`<g class=${"dot " + kind} tabindex="0" role="button" aria-label=${text + ". Show its pictures."} onClick=${show}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); show(); } }}>
    <title>${text}</title><circle class="hit" cx=${x} cy=${y} r="12" /><circle cx=${x} cy=${y} r="4.5" /></g>`;

  /** @param {string} label @param {number} count */
  const short = (label, count) => (label.length > 44 / Math.min(count, 8) ? label.slice(0, Math.max(3, Math.floor(44 / Math.min(count, 8)))) + "…" : label);

  return Object.assign(Charts, { points, frontier });
})();
