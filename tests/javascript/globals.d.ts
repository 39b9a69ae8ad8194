/** What the page's scripts find beside themselves: htm and Preact, vendored without types of their own. */
declare const htmPreact: {
  html: (strings: TemplateStringsArray, ...values: unknown[]) => any;
  render: (what: unknown, where: Element) => void;
  useState: <T>(first: T | (() => T)) => [T, (next: T | ((old: T) => T)) => void];
  useRef: <T>(first: T) => { current: T };
  useMemo: <T>(make: () => T, inputs: unknown[]) => T;
  useEffect: (effect: () => void | (() => unknown), inputs?: unknown[]) => void;
  useLayoutEffect: (effect: () => void | (() => unknown), inputs?: unknown[]) => void;
};
