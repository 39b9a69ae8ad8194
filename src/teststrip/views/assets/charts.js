/** The charts: a score against each axis with its intervals, and quality against seconds with the frontier. */
const Charts = (() => {
  const [WIDTH, HEIGHT] = [336, 208];
  const MOST_PLOTS = 6; // of two axes together
  const CHARACTER = 6.2; // pixels, at 11 px: for keeping labels apart
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
      ${board.findings.filter((finding) => finding.metric === metric.name && (finding.curves?.length ?? 0) > 1 && finding.kind === "interaction").filter(firstOfAxes).slice(0, MOST_PLOTS).map((finding) => html`<${Curves} key=${finding.axis} board=${board} finding=${finding} metric=${metric} />`)}
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
      low: Number.isFinite(each.low) ? each.low : null, high: Number.isFinite(each.high) ? each.high : null, n: each.n, text: Phrases.estimate(each), level,
    }));
  }

  /** @param {{board: Model, view: View, axis: Model["axes"][number], metric: Metric, places: Place[]}} props */
  function AxisChart({ board, view, axis, metric, places }) {
    const found = useMemo(() => points(board, places, axis.name, metric.name), [board, places, metric.name]);
    if (found.length < 2) return null;
    const id = board.dims[board.axes.indexOf(axis)].id;
    const order = axis.numbers ? [...found].sort((a, b) => Number(a.x) - Number(b.x)) : found;
    const numbers = order.map((point, n) => (axis.numbers ? Number(point.x) : n));
    const log = Boolean(axis.logarithmic);
    const x = scale(numbers.map((value) => (log ? Math.log(value) : value)), EDGE.left + 16, WIDTH - EDGE.right - 16);
    const ends = order.flatMap((point) => [point.mean, point.low ?? point.mean, point.high ?? point.mean]);
    const y = scale(ends, HEIGHT - EDGE.bottom - 6, EDGE.top + 6);
    const at = order.map((point, n) => ({ ...point, px: x(log ? Math.log(numbers[n]) : numbers[n]), py: y(point.mean) }));
    const band = at.every((point) => point.low !== null)
      ? "M" + [...at.map((p) => `${p.px} ${y(Number(p.high))}`), ...[...at].reverse().map((p) => `${p.px} ${y(Number(p.low))}`)].join("L") + "Z" : "";
    const title = `${Board.title(board, metric.name)} against ${Board.title(board, axis.name)}`;
    return html`<figure class="chart"><figcaption>${title}</figcaption>
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="group" aria-label=${title}>
        ${grid(y, ends)}
        ${axis.numbers ? html`<path class="band" d=${band} /><path class="line" d=${"M" + at.map((p) => `${p.px} ${p.py}`).join("L")} />` : ""}
        ${at.map((point) => point.low !== null && html`<path class="whisker" d=${`M${point.px} ${y(point.low)}V${y(Number(point.high))}`} />`)}
        ${at.map((point) => dot(point.px, point.py, `${Board.title(board, axis.name)} ${point.label}: ${point.text}, ${Phrases.count(point.n, "prompt")}`,
          () => Store.set({ ...Top.evidence(board, view, /** @type {any} */ ({ metric: metric.name, axis: axis.name })), keep: { [id]: [point.level] } })))}
        ${ticks(at.map((point) => ({ x: point.px, text: short(point.label, at.length) })))}${log && logScale()}
      </svg>
      <p>${order[0].low === null ? "Mean over prompts." : `Mean over ${Phrases.count(order[0].n, "prompt")}; 95 % intervals of differences within a prompt.`}</p></figure>`;
  }

  /** The score along one axis, a line for each level of another, each named at its end. @param {{board: Model, finding: Finding, metric: Metric}} props */
  function Curves({ board, finding, metric }) {
    const curves = (finding.curves ?? []).map((curve) => ({ ...curve, points: curve.points.filter((point) => point.mean !== null) })).filter((curve) => curve.points.length > 1);
    if (curves.length < 2) return null;
    const axis = board.axes.find((each) => each.name === curves[0].axis);
    const by = board.axes.find((each) => each.name === curves[0].by);
    if (!axis || !by) return null;
    const log = Boolean(axis.logarithmic);
    /** @param {LevelPoint} point */
    const value = (point) => (axis.numbers === null ? axis.labels.indexOf(point.label) : log ? Math.log(Number(point.x)) : Number(point.x));
    const all = curves.flatMap((curve) => curve.points);
    const names = curves.map((curve) => (by.numbers ? Board.title(board, by.name) + " " + curve.label : curve.label)).map((name) => (name.length > 16 ? name.slice(0, 15) + "…" : name));
    const room = Math.max(...names.map((name) => name.length)) * CHARACTER + 8;
    const x = scale(all.map(value), EDGE.left + 12, WIDTH - EDGE.right - room);
    const ends = all.flatMap((point) => [Number(point.mean), point.low ?? Number(point.mean), point.high ?? Number(point.mean)]);
    const y = scale(ends, HEIGHT - EDGE.bottom - 6, EDGE.top + 6);
    const heights = apart(curves.map((curve) => y(Number(curve.points[curve.points.length - 1].mean))));
    const longest = curves.reduce((a, b) => (b.points.length > a.points.length ? b : a));
    const title = `${Board.title(board, metric.name)} against ${Board.title(board, axis.name)}, by ${Board.title(board, by.name)}`;
    /** @param {string} along @param {string} level */
    const show = (along, level) => () => Store.set({ keep: { [board.dims[board.axes.indexOf(axis)].id]: [axis.labels.indexOf(along)], [board.dims[board.axes.indexOf(by)].id]: [by.labels.indexOf(level)] }, layout: "grid" });
    return html`<figure class="chart curves"><figcaption>${title}</figcaption>
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="group" aria-label=${title}>
        ${grid(y, ends)}
        ${curves.map((curve, n) => html`<g class=${"curve c" + (n % 8)}>
          <path class="line" d=${"M" + curve.points.map((point) => `${x(value(point))} ${y(Number(point.mean))}`).join("L")} />
          ${curve.points.map((point) => point.low !== null && html`<path class="whisker" d=${`M${x(value(point))} ${y(point.low)}V${y(Number(point.high))}`} />`)}
          ${curve.points.map((point) => dot(x(value(point)), y(Number(point.mean)), `${Board.title(board, axis.name)} ${point.label}, ${Board.title(board, by.name)} ${curve.label}: ${point.text}`, show(point.label, curve.label)))}
          <text class="name" x=${x(value(curve.points[curve.points.length - 1])) + 9} y=${heights[n] + 4}>${names[n]}</text></g>`)}
        ${ticks(longest.points.map((point) => ({ x: x(value(point)), text: short(point.label, longest.points.length) })))}${log && logScale()}
      </svg><p>${finding.headline}.</p></figure>`;
  }

  /** The first finding about its axes: the scope that leads. @param {Finding} finding @param {number} n @param {Finding[]} all */
  const firstOfAxes = (finding, n, all) => all.findIndex((other) => other.axis === finding.axis) === n;

  /** Heights of labels moved down until none lies on another. @param {number[]} heights */
  function apart(heights) {
    const found = [...heights];
    let last = -Infinity;
    for (const n of heights.map((_, n) => n).sort((a, b) => heights[a] - heights[b])) last = found[n] = Math.max(found[n], last + 12);
    return found;
  }

  /** Labels of the axis below; one that would lie on its neighbour is left out. @param {{x: number, text: string}[]} labels */
  function ticks(labels) {
    let end = -Infinity;
    return labels.map(({ x, text }) => {
      const half = (text.length * CHARACTER) / 2;
      if (x - half < end + 4) return null;
      end = x + half;
      return html`<text class="tick" x=${x} y=${HEIGHT - EDGE.bottom + 18} text-anchor="middle">${text}</text>`;
    });
  }

  const logScale = () => html`<text class="log" x=${WIDTH - EDGE.right} y=${HEIGHT - 3} text-anchor="end">log scale</text>`;

  /** Names beside dots, where there is room beside those that have one. @param {{x: number, y: number, text: string}[]} dots */
  function names(dots) {
    /** @type {{x: number, y: number, width: number}[]} */
    const taken = [];
    return dots.map(({ x, y, text }) => {
      const width = text.length * CHARACTER;
      const at = [[x + 7, y - 7], [x - 7 - width, y - 7], [x + 7, y + 15], [x - 7 - width, y + 15]].find(([left, height]) =>
        left > EDGE.left && left + width < WIDTH && height > 8 && taken.every((other) => left >= other.x + other.width || other.x >= left + width || Math.abs(height - other.y) >= 12));
      if (!at) return null;
      taken.push({ x: at[0], y: at[1], width });
      return html`<text class="name" x=${at[0]} y=${at[1]}>${text}</text>`;
    });
  }

  /** Cells: mean score against mean seconds. The frontier joins those that no other beats on both. @param {{board: Model, view: View, metric: Metric, places: Place[]}} props */
  function Frontier({ board, metric, places }) {
    const found = useMemo(() => frontier(board, places, metric), [board, places, metric.name]);
    if (found.length < 2) return null;
    const least = Math.min(...found.map((point) => point.seconds));
    const most = Math.max(...found.map((point) => point.seconds));
    const log = least > 0 && most / least > 8; // as in views/charts.py
    const of = (/** @type {number} */ seconds) => (log ? Math.log(seconds) : seconds);
    const x = scale(found.map((point) => of(point.seconds)), EDGE.left + 10, WIDTH - EDGE.right - 10);
    const y = scale(found.map((point) => point.score), HEIGHT - EDGE.bottom - 6, EDGE.top + 10);
    const best = found.filter((point) => point.best).sort((a, b) => a.seconds - b.seconds);
    const title = `${Board.title(board, metric.name)} against seconds`;
    return html`<figure class="chart"><figcaption>${title}</figcaption>
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="group" aria-label=${title}>
        ${grid(y, found.map((point) => point.score))}
        ${metric.higher_is_better !== null && html`<path class="frontier" d=${"M" + best.map((p) => `${x(of(p.seconds))} ${y(p.score)}`).join("L")} />`}
        ${found.map((point) => dot(x(of(point.seconds)), y(point.score), `${point.name}: ${Phrases.number(point.score)}, ${Phrases.number(point.seconds)} s${point.best ? ", on the frontier" : ""}`,
          () => Store.set({ keep: point.keep, layout: "grid" }), point.best ? "best" : "other"))}
        ${metric.higher_is_better !== null && names(best.map((point) => ({ x: x(of(point.seconds)), y: y(point.score), text: point.name })))}${log && logScale()}
        ${[least, most].map((seconds, n) => html`<text x=${x(of(seconds))} y=${HEIGHT - EDGE.bottom + 18} text-anchor=${n ? "end" : "start"}>${Phrases.number(seconds)} s</text>`)}
      </svg>
      <p>${metric.higher_is_better === null ? "One dot a setting." : `One dot a setting; the line joins those that no other beats in both. Means, not verdicts.`}</p></figure>`;
  }

  /** The analysis's own means and times, where it has them. @param {Model} board @param {Metric} metric */
  function concluded(board, metric) {
    const table = board.head.settings;
    const n = table?.scores.indexOf(metric.name) ?? -1;
    if (!table || n < 0) return null;
    return table.rows.filter((row) => row.scores[n] !== null && row.seconds !== null)
      .map((row) => ({ at: row.at, n: row.images, score: Number(row.scores[n]), seconds: Number(row.seconds) }));
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
    const found = concluded(board, metric)
      ?? sums.map((sum, cell) => ({ at: board.cells[cell].at, n: sum.n, score: sum.score / sum.n, seconds: sum.seconds / sum.n })).filter((point) => point.n > 0);
    return found.map((point) => {
      const at = point.at;
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
  const tick = (value, step) => (Math.abs(value) >= 1e5 || step < 1e-4 ? Phrases.number(value) : Phrases.fixed(value, Math.max(0, Math.min(6, -Math.floor(Math.log10(step))))));

  /** @param {number} x @param {number} y @param {string} text @param {() => void} show @param {string} [kind] */
  const dot = (x, y, text, show, kind = "best") => html`<g class=${"dot " + kind} tabindex="0" role="button" aria-label=${text + ". Show its pictures."} onClick=${show}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); show(); } }}>
    <title>${text}</title><circle class="hit" cx=${x} cy=${y} r="12" /><circle cx=${x} cy=${y} r="4.5" /></g>`;

  /** @param {string} label @param {number} count */
  const short = (label, count) => (label.length > 44 / Math.min(count, 8) ? label.slice(0, Math.max(3, Math.floor(44 / Math.min(count, 8)))) + "…" : label);

  return Object.assign(Charts, { points, frontier });
})();
