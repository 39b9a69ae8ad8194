/** The table of settings: the mean of every score with its interval, seconds, calls. Sorted by a click on a head. */
const Settings = (() => {
  const MOST = 200; // rows drawn; more are no table for people

  /** @typedef {{title: string, value: (row: SettingRow) => number | string | null, text: (row: SettingRow) => string}} Column */

  /** @param {{board: Model}} props */
  function Settings({ board }) {
    const table = board.head.settings;
    const [by, setBy] = useState({ column: 0, down: false });
    if (!table) return null;
    const columns = all(board, table);
    const { value } = columns[by.column] ?? columns[0];
    const rows = sorted(table.rows, value, by.down);
    return html`<section class="settings" aria-label="Settings"><div class="settings-scroll" tabindex="0" role="group" aria-label="Table of settings"><table>
      <thead><tr>${columns.map((column, n) => html`<th scope="col" aria-sort=${n !== by.column ? "none" : by.down ? "descending" : "ascending"}>
        <button type="button" onClick=${() => setBy({ column: n, down: n === by.column ? !by.down : n > 0 && n <= table.scores.length })}>${column.title}<i aria-hidden="true">${n !== by.column ? "" : by.down ? " ↓" : " ↑"}</i></button></th>`)}</tr></thead>
      <tbody>${rows.slice(0, MOST).map((row) => html`<tr key=${row.at.join()} class=${row.mark}>
        <th scope="row"><button type="button" class="link" onClick=${() => Store.set(Answer.of(board, row.at))}>${row.name}</button>${row.mark && html`<small>${row.mark}</small>`}</th>
        ${columns.slice(1).map((column) => html`<td>${column.text(row)}</td>`)}</tr>`)}</tbody></table></div>
      <p>Means over prompts with half of their 95 % interval of differences within a prompt.${rows.length > MOST ? ` The first ${MOST} of ${rows.length} are shown.` : ""}</p></section>`;
  }

  /** @param {Model} board @param {SettingTable} table @returns {Column[]} */
  const all = (board, table) => [
    { title: "setting", value: (row) => table.rows.indexOf(row), text: (row) => row.name },
    ...table.scores.map((name, n) => /** @type {Column} */ ({ title: Board.title(board, name), value: (row) => row.scores[n], text: (row) => row.texts[n] })),
    { title: "time", value: (row) => row.seconds, text: (row) => row.time },
    ...(table.rows.some((row) => row.calls !== null) ? [/** @type {Column} */ ({ title: "calls", value: (row) => row.calls, text: (row) => row.called })] : []),
    { title: "pictures", value: (row) => row.images, text: (row) => String(row.images) },
  ];

  /** Rows in order; those without a value come last whichever way. @param {SettingRow[]} rows @param {Column["value"]} value @param {boolean} down */
  function sorted(rows, value, down) {
    const known = rows.filter((row) => value(row) !== null);
    known.sort((a, b) => (down ? -1 : 1) * (Number(value(a)) - Number(value(b))));
    return [...known, ...rows.filter((row) => value(row) === null)];
  }

  return Object.assign(Settings, { sorted });
})();
