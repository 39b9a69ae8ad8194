/**
 * Pan and zoom of one or several pictures at once: wheel, drag, pinch, double click, + − 0 1.
 *
 * A `Pan` is a scale and a centre; several frames that share one move together.
 *
 * @typedef {{scale: number, x: number, y: number}} Pan scale: screen pixels a picture pixel, 0 = fit; x, y: shift of
 *   the centre in picture pixels
 */
const Zoom = (() => {
  const MOST = 32;
  const SWIPE = 48; // pixels a finger travels, more than it trembles on a tap
  /** @type {Pan} */
  const FIT = Object.freeze({ scale: 0, x: 0, y: 0 });

  /** The scale that shows all of a picture. @param {[number, number]} size @param {{width: number, height: number}} frame */
  const fitting = (size, frame) => Math.min(frame.width / size[0], frame.height / size[1]) || 1;

  /** @param {Pan} pan @param {[number, number]} size @param {{width: number, height: number}} frame */
  const scaleOf = (pan, size, frame) => pan.scale || fitting(size, frame);

  /**
   * The pan after scaling about a point, which stays where it is.
   * @param {Pan} pan @param {number} scale @param {{x: number, y: number}} at from the frame's centre in screen pixels
   * @param {[number, number]} size @param {{width: number, height: number}} frame
   * @returns {Pan}
   */
  function about(pan, scale, at, size, frame) {
    const now = scaleOf(pan, size, frame);
    const next = Numbers.clamp(scale, Math.min(0.1, fitting(size, frame)), MOST);
    return held({ scale: next, x: pan.x + at.x / now - at.x / next, y: pan.y + at.y / now - at.y / next }, size);
  }

  /** The picture's middle stays within the picture. @param {Pan} pan @param {[number, number]} size @returns {Pan} */
  const held = (pan, size) => ({
    scale: pan.scale,
    x: Numbers.clamp(pan.x, -size[0] / 2, size[0] / 2),
    y: Numbers.clamp(pan.y, -size[1] / 2, size[1] / 2),
  });

  /**
   * A frame in which something of a picture's size can be moved.
   * @param {{pan: Pan, onPan: (pan: Pan) => void, size: [number, number], children: unknown, label?: string, marking?: boolean,
   *   onMark?: (roi: number[]) => void, onSwipe?: (dr: number, dc: number) => void, onSlide?: (at: number) => void}} props
   *   `onSwipe`: one finger passed over a picture that is shown whole, towards a row or a column; `onSlide`: the line
   *   between two pictures was dragged to a share of the width, or the pointer anywhere while they are shown whole
   */
  function Frame({ pan, onPan, size, children, label, marking, onMark, onSwipe, onSlide }) {
    const frame = useRef(/** @type {HTMLElement | null} */ (null));
    const [room, setRoom] = useState({ width: 0, height: 0 });
    const [mark, setMark] = useState(/** @type {number[] | null} */ (null));
    const latest = useRef({ pan, size, onPan });
    latest.current = { pan, size, onPan };
    const pointers = useRef(/** @type {Map<number, {x: number, y: number}>} */ (new Map()));
    const begun = useRef(/** @type {number[] | null} */ (null));
    const swiped = useRef(/** @type {{x: number, y: number} | null} */ (null));
    const sliding = useRef(false);

    useLayoutEffect(() => {
      const element = /** @type {HTMLElement} */ (frame.current);
      const read = () => setRoom({ width: element.clientWidth, height: element.clientHeight });
      const observer = new ResizeObserver(read);
      observer.observe(element);
      read();
      const wheel = (/** @type {WheelEvent} */ event) => {
        event.preventDefault();
        const { pan, size, onPan } = latest.current;
        const box = element.getBoundingClientRect();
        const factor = Math.exp(-Numbers.clamp(event.deltaY, -120, 120) * 0.004);
        onPan(about(pan, scaleOf(pan, size, box) * factor, centred(event, box), size, box));
      };
      element.addEventListener("wheel", wheel, { passive: false });
      return () => { observer.disconnect(); element.removeEventListener("wheel", wheel); };
    }, []);

    /** @param {{clientX: number, clientY: number}} event @param {DOMRect} box */
    const centred = (event, box) => ({ x: event.clientX - box.left - box.width / 2, y: event.clientY - box.top - box.height / 2 });
    const scale = scaleOf(pan, size, room);

    /** A point of the window as a share of the picture. @param {PointerEvent} event */
    function share(event) {
      const at = centred(event, /** @type {HTMLElement} */ (frame.current).getBoundingClientRect());
      return [0.5 + (at.x / scale + pan.x) / size[0], 0.5 + (at.y / scale + pan.y) / size[1]].map((x) => Numbers.clamp(x, 0, 1));
    }

    /** @param {PointerEvent} event */
    function down(event) {
      if (event.button !== 0) return;
      /** @type {HTMLElement} */ (frame.current).setPointerCapture(event.pointerId);
      pointers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
      const alone = pointers.current.size === 1;
      if (marking) begun.current = share(event);
      sliding.current = Boolean(onSlide) && alone && !marking && (!pan.scale || /** @type {Element} */ (event.target).matches(".slider-line"));
      if (sliding.current) onSlide?.(share(event)[0]);
      swiped.current = onSwipe && alone && !marking && !pan.scale && event.pointerType === "touch" ? { x: event.clientX, y: event.clientY } : null;
    }

    /** @param {PointerEvent} event */
    function moved(event) {
      const before = pointers.current.get(event.pointerId);
      if (!before) return;
      if (marking && begun.current) return setMark(rectangle(begun.current, share(event)));
      if (sliding.current && pointers.current.size === 1) return onSlide?.(share(event)[0]);
      if (swiped.current && pointers.current.size === 1) return; // a swipe until a second finger makes it a pinch
      const others = [...pointers.current].filter(([id]) => id !== event.pointerId);
      const box = /** @type {HTMLElement} */ (frame.current).getBoundingClientRect();
      let next = held({ ...pan, scale, x: pan.x - (event.clientX - before.x) / scale / (others.length + 1), y: pan.y - (event.clientY - before.y) / scale / (others.length + 1) }, size);
      if (others.length === 1) {
        const other = others[0][1];
        const factor = Math.hypot(event.clientX - other.x, event.clientY - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
        next = about(next, scale * factor, centred({ clientX: (event.clientX + other.x) / 2, clientY: (event.clientY + other.y) / 2 }, box), size, box);
      }
      pointers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
      onPan(next);
    }

    /** @param {PointerEvent} event */
    function up(event) {
      if (swiped.current && pointers.current.size === 1 && event.type === "pointerup") swipe(event.clientX - swiped.current.x, event.clientY - swiped.current.y);
      swiped.current = null;
      sliding.current = false;
      pointers.current.delete(event.pointerId);
      if (marking && mark && mark[2] > 0.01 && mark[3] > 0.01) onMark?.(mark);
      begun.current = null;
      setMark(null);
    }

    /** The picture follows the finger, so its neighbour comes from the other side. @param {number} dx @param {number} dy */
    function swipe(dx, dy) {
      if (Math.max(Math.abs(dx), Math.abs(dy)) < SWIPE) return;
      if (Math.abs(dx) > Math.abs(dy)) onSwipe?.(0, -Math.sign(dx));
      else onSwipe?.(-Math.sign(dy), 0);
    }

    /** @param {MouseEvent} event */
    function double(event) {
      const box = /** @type {HTMLElement} */ (frame.current).getBoundingClientRect();
      onPan(pan.scale && Math.abs(pan.scale - fitting(size, box)) > 1e-6 ? FIT : about(pan, Math.max(1, fitting(size, box) * 2), centred(event, box), size, box));
    }

    const box = { width: size[0] * scale + "px", height: size[1] * scale + "px", transform: `translate(-50%, -50%) translate(${-pan.x * scale}px, ${-pan.y * scale}px)` };
    return html`<div class=${"frame" + (marking ? " marking" : "")} ref=${frame} data-scale=${scale.toFixed(3)} aria-label=${label} role="group"
        onPointerDown=${down} onPointerMove=${moved} onPointerUp=${up} onPointerCancel=${up} onDblClick=${double}>
      <div class=${"paper" + (scale >= 3 ? " enlarged" : "")} style=${box}>${children}
        ${mark && html`<span class="mark-box" style=${{ left: mark[0] * 100 + "%", top: mark[1] * 100 + "%", width: mark[2] * 100 + "%", height: mark[3] * 100 + "%" }}></span>`}</div></div>`;
  }

  /** @param {number[]} a @param {number[]} b */
  const rectangle = (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1])];

  /** A region on the edges of pixels. @param {number[]} roi @param {[number, number]} size */
  function whole([x, y, width, height], [w, h]) {
    const [left, top] = [Math.round(x * w), Math.round(y * h)];
    const [right, bottom] = [Math.max(left + 1, Math.round((x + width) * w)), Math.max(top + 1, Math.round((y + height) * h))];
    return [left / w, top / h, (right - left) / w, (bottom - top) / h];
  }

  /** What a key does to a pan, or null. @param {string} key @param {Pan} pan @param {[number, number]} size @param {{width: number, height: number}} frame @returns {Pan | null} */
  function onKey(key, pan, size, frame) {
    const scale = scaleOf(pan, size, frame);
    const centre = { x: 0, y: 0 };
    if (key === "+" || key === "=") return about(pan, scale * 1.5, centre, size, frame);
    if (key === "-") return about(pan, scale / 1.5, centre, size, frame);
    if (key === "0") return FIT;
    if (key === "1") return about(pan, 1, centre, size, frame);
    return null;
  }

  return { FIT, Frame, about, scaleOf, fitting, onKey, rectangle, whole };
})();
