/** The icons: 20 × 20 line drawings in the colour of the text. */
const Icon = (() => {
  const PATHS = {
    expand: "M7.5 3.5h-4v4M12.5 3.5h4v4M7.5 16.5h-4v-4M12.5 16.5h4v-4",
    star: "M10 3l2.1 4.4 4.9.7-3.5 3.4.8 4.8L10 14l-4.3 2.3.8-4.8L3 8.1l4.9-.7z",
    compare: "M3 4.5h5.5v11H3zM11.5 4.5H17v11h-5.5z",
    close: "M5 5l10 10M15 5L5 15",
    down: "M6 8l4 4 4-4",
    left: "M12 5l-5 5 5 5", right: "M8 5l5 5-5 5", up: "M5 12l5-5 5 5", lower: "M5 8l5 5 5-5",
    back: "M8 5L4 9l4 4M4 9h7a4.500 4.500 0 0 1 0 9H9",
    swap: "M4 7h11l-3-3M16 13H5l3 3",
    filter: "M3.5 5h13M6 10h8M8.5 15h3",
    charts: "M3.5 16.5h13M5 13l3.5-4 3 2.5L16 5",
    share: "M10 12.5v-9M6.5 6.5L10 3l3.5 3.5M4 11v5.5h12V11",
    theme: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
    help: "M7.6 7.6a2.4 2.4 0 1 1 3.6 2.1c-.8.5-1.2 1-1.2 1.9M10 14.4v.2",
    play: "M7 4.5l8.5 5.5L7 15.5z", pause: "M7 5v10M13 5v10",
    region: "M4 7V4h3M13 4h3v3M16 13v3h-3M7 16H4v-3M8 8h4v4H8z",
    copy: "M7 7h9v9H7zM4 13V4h9",
    alert: "M10 3.5l7 12.5H3zM10 8v4M10 14v.2",
    grid: "M4 4h5v5H4zM11 4h5v5h-5zM4 11h5v5H4zM11 11h5v5h-5z",
    wall: "M3.5 4h4v5h-4zM9 4h7.5v5H9zM3.5 11H11v5H3.5zM12.500 11h4v5h-4z",
    table: "M3 4.500h14v11H3zM3 8.500h14M3 12h14M8 4.500v11",
    more: "M5 10h.1M10 10h.1M15 10h.1",
    book: "M4 6.500h12v8H4zM6 4.500h8M8.500 8.500l3.500 2-3.500 2z",
    link: "M8.500 11.500l3-3M9 6l1.500-1.500a3 3 0 0 1 4.500 4.500L13.500 10.500M11 14l-1.500 1.500a3 3 0 0 1-4.500-4.500L6.500 9.500",
  };
  /** @param {keyof typeof PATHS} name @param {boolean} [filled] */
  return (name, filled = false) => html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
    <path d=${PATHS[name]} fill=${filled ? "currentColor" : "none"} /></svg>`;
})();
