/** A button that opens a panel: closes with Esc, a click elsewhere, or the focus leaving it. */
const Pop = (() => {
  const PHONE = 640; // pixels; page.css has the same bound
  let again = ""; // name of a panel that is made anew in another place and is to stay open

  /** @param {{label: unknown, title?: string, kind?: string, active?: boolean, wide?: boolean, children: unknown, name?: string, hotkey?: string, buttonProps?: Record<string, unknown>}} props */
  function Pop({ label, title, kind = "button", active = false, wide = false, children, name = "", hotkey = "", buttonProps = {} }) {
    const [open, setOpen] = useState(name !== "" && again === name);
    const root = useRef(/** @type {HTMLElement | null} */ (null));
    const panel = useRef(/** @type {HTMLElement | null} */ (null));
    useEffect(() => {
      if (name === "" || again !== name) return;
      again = "";
      /** @type {HTMLElement | null | undefined} */ (panel.current?.querySelector("input:checked"))?.focus();
    }, []);
    useEffect(() => {
      if (!open) return;
      const outside = (/** @type {Event} */ event) => {
        if (!root.current?.contains(/** @type {Node} */ (event.target))) setOpen(false);
      };
      document.addEventListener("pointerdown", outside);
      document.addEventListener("focusin", outside);
      return () => {
        document.removeEventListener("pointerdown", outside);
        document.removeEventListener("focusin", outside);
      };
    }, [open]);
    useEffect(() => {
      if (!hotkey) return;
      const onHotkey = (/** @type {KeyboardEvent} */ event) => {
        const typing = event.target instanceof Element && event.target.closest("select, textarea, input:not([type=range], [type=radio], [type=checkbox])");
        if (event.key !== hotkey || typing || document.documentElement.classList.contains("modal")) return;
        event.preventDefault();
        root.current?.querySelector("button")?.focus(); // so that Esc reaches the panel
        setOpen((/** @type {boolean} */ old) => !old);
      };
      addEventListener("keydown", onHotkey);
      return () => removeEventListener("keydown", onHotkey);
    }, [hotkey]);
    useLayoutEffect(() => {
      // Fixed, so that no scrolling bar cuts it; moved inside the window.
      if (!open || !panel.current || !root.current) return;
      const button = root.current.getBoundingClientRect();
      const style = panel.current.style;
      if (innerWidth <= PHONE) return void (style.left = style.top = style.maxHeight = ""); // a sheet at the bottom: page.css
      style.left = Numbers.clamp(button.left, 8, Math.max(8, innerWidth - panel.current.offsetWidth - 8)) + "px";
      const room = Math.max(280, innerHeight - button.bottom - 20); // less is no panel: it moves over its button
      style.maxHeight = room + "px";
      style.top = Math.max(8, Math.min(button.bottom + 6, innerHeight - 14 - Math.min(room, panel.current.scrollHeight))) + "px";
    });
    /** @param {KeyboardEvent} event */
    function onKey(event) {
      if (event.key !== "Escape" || !open) return;
      event.stopPropagation();
      setOpen(false);
      root.current?.querySelector("button")?.focus();
    }
    const close = () => { setOpen(false); root.current?.querySelector("button")?.focus(); };
    return html`<span class="pop" ref=${root} onKeyDown=${onKey}>
      <button type="button" class=${kind + (active ? " active" : "")} title=${title} aria-expanded=${open} onClick=${() => setOpen(!open)} ...${buttonProps}>${label}</button>
      ${open && html`<div class=${"panel" + (wide ? " wide" : "")} ref=${panel} role="group" aria-label=${title} tabindex="0">${typeof children === "function" ? children(close) : children}</div>`}
    </span>`;
  }

  /** Keep a panel open although what is chosen in it moves it elsewhere. @param {string} name */
  const keep = (name) => { again = name; };
  return Object.assign(Pop, { keep });
})();
