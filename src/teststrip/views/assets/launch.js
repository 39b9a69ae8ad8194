/** Swaps the one-time code in the address for a session cookie, and opens the page. */
(() => {
  const match = /[#&]launch=([\w-]+)/.exec(location.hash);
  const said = /** @type {HTMLElement} */ (document.getElementById("said"));
  if (!match) return;
  const rest = location.hash.replace(/[#&]launch=[\w-]+/, "");
  fetch("session", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Teststrip": "1" },
    body: JSON.stringify({ code: match[1] }),
  }).then(async (answer) => {
    if (!answer.ok) throw new Error(await answer.text());
    history.replaceState(null, "", location.pathname + (rest ? "#" + rest.replace(/^[#&]/, "") : ""));
    location.reload();
  }).catch((error) => { said.textContent = error.message; });
})();
