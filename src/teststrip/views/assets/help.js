/** The help: every key and gesture of the page; a button opens it, and so does "?". */
const Help = (() => {
  /** @type {[string, string][]} keys, parted by spaces, and what they do */
  const KEYS = [
    ["← ↑ → ↓", "walk along the axes, in the grid and at full size"],
    ["Enter", "full size"], ["Esc", "close"],
    ["+ − 0 1", "zoom in, out, fit, 1:1"], [", .", "the next seed, in the grid and at full size"],
    ["c", "add to the comparison"], ["s", "star"],
    ["r", "mark a region (full size)"], ["b", "hold to blink (comparison, Blink)"],
    ["Space", "play the slider"], ["?", "this help"],
  ];
  /** @type {[string, string][]} */
  const GESTURES = [
    ["Shift-click", "add a picture to the comparison"],
    ["Swipe", "walk along the axes (full size)"],
    ["Pinch, wheel", "zoom; drag to pan"],
    ["Drag the line", "comparison, Slider: show more of one picture"],
  ];

  return function Help() {
    return html`<${Pop} kind="button icon-button" label=${Icon("help")} title="Keys and help" wide=${true} hotkey="?" buttonProps=${{ "aria-label": "Keys and help" }}>
      <h2 class="panel-title">Keys</h2>
      <dl class="keys">${KEYS.map(([keys, what]) => html`<div><dt>${keys.split(" ").map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl>
      <h2 class="panel-title">Mouse and fingers</h2>
      <dl class="keys">${GESTURES.map(([gesture, what]) => html`<div><dt>${gesture}</dt><dd>${what}</dd></div>`)}</dl>
      <p class="panel-note">The address of this page holds the whole view: copy it to show others what you see. The browser's Back takes back each step.</p>
    </${Pop}>`;
  };
})();
