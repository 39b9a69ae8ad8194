/** Dark or light: what the system says until a person chooses. */
const Theme = (() => {
  const KEY = "teststrip.theme";
  function start() {
    try {
      const chosen = localStorage.getItem(KEY);
      if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
    } catch {
      // No storage: the system's choice stands.
    }
  }
  function toggle() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem(KEY, root.dataset.theme);
    } catch {
      // As above.
    }
  }
  return { start, toggle };
})();
