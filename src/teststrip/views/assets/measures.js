/**
 * What is measured in the window: its size and what of the canvas is in sight, labels, the shape of pictures, and from
 * these the sizes of the grid. Hooks, which draw anew when the window changes.
 */
const Measures = (() => {
  /** Pictures of a kind have one shape; the first one tells. @param {Model} board */
  function aspect(board) {
    const size = board.places.find((place) => place.size)?.size ?? [1, 1];
    return size[1] / size[0];
  }

  /** Small pictures are blown up a little by themselves, large ones shrunk. @param {Model} board */
  const most = (board) => Numbers.clamp(1.25 * (board.places.find((place) => place.size)?.size?.[0] ?? 104), 128, 208);

  const text = (() => {
    const context = document.createElement("canvas").getContext("2d");
    /** @type {Map<string, number>} */
    const known = new Map();
    /** Width of a label in pixels. @param {string} label */
    return (label) => {
      let width = known.get(label);
      if (width === undefined && context) {
        context.font = "600 15px " + getComputedStyle(document.body).fontFamily;
        width = Math.ceil(context.measureText(label).width) + 2;
        known.set(label, width);
      }
      return width ?? label.length * 8;
    };
  })();

  /** The window over the canvas: re-read at most once a frame. @param {{current: HTMLElement | null}} canvas */
  function useWindow(canvas) {
    const [shown, setShown] = useState({ top: 0, left: 0, width: document.documentElement.clientWidth, height: innerHeight });
    useLayoutEffect(() => {
      let frame = 0;
      const read = () => {
        frame = 0;
        const box = canvas.current?.getBoundingClientRect();
        if (!box) return;
        const next = { top: -box.top, left: -box.left, width: document.documentElement.clientWidth, height: innerHeight };
        setShown((/** @type {typeof next} */ old) =>
          old.top === next.top && old.left === next.left && old.width === next.width && old.height === next.height ? old : next);
      };
      const later = () => { frame = frame || requestAnimationFrame(read); };
      read();
      addEventListener("scroll", later, { passive: true });
      addEventListener("resize", later);
      const observer = new ResizeObserver(later);
      observer.observe(document.body);
      return () => {
        cancelAnimationFrame(frame);
        removeEventListener("scroll", later);
        removeEventListener("resize", later);
        observer.disconnect();
      };
    }, []);
    return shown;
  }

  /** The marked region on the screen, where there is one. @param {Model} board @param {View} view */
  const useCrop = (board, view) =>
    useMemo(() => (view.roi ? region(board, view.roi, view.zoom) : null), [board, view.roi, view.zoom]);

  /** How large everything in the grid is, in this window. @param {Model} board @param {View} view @param {Pivot} pivot @returns {Sizes} */
  function useSizes(board, view, pivot) {
    const [room, setRoom] = useState({ width: document.documentElement.clientWidth, height: innerHeight });
    const crop = useCrop(board, view);
    useLayoutEffect(() => {
      const read = () => {
        const next = { width: document.documentElement.clientWidth, height: innerHeight };
        setRoom((/** @type {typeof next} */ old) => (old.width === next.width && old.height === next.height ? old : next));
      };
      const observer = new ResizeObserver(read); // a scroll bar that comes or goes is no resize of the window
      addEventListener("resize", read);
      observer.observe(document.body);
      return () => {
        removeEventListener("resize", read);
        observer.disconnect();
      };
    }, []);
    return useMemo(
      () => Layout.measure(pivot, view, { ...room, aspect: aspect(board), measure: text, crop, most: Flip.isBook(board, view) ? 320 : most(board), short: (label) => Labels.short(board, label) }),
      [pivot, view.size, view.fit, crop, view.layout, view.flip, room],
    );
  }

  /** A region on the screen, in pixels: [width, height]. @param {Model} board @param {number[]} roi @param {number} zoom @returns {[number, number]} */
  function region(board, roi, zoom) {
    const [width, height] = board.places.find((place) => place.size)?.size ?? [64, 64];
    return [Math.max(1, roi[2] * width * zoom), Math.max(1, roi[3] * height * zoom)];
  }

  return { text, useWindow, useCrop, useSizes };
})();
