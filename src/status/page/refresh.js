
"use strict";
/* Fetches the page again and takes over what it shows; the reader's place and selection stay. */
(() => {
  const EVERY_MS = 5000;
  const view = document.getElementById("view");
  const offline = document.getElementById("offline");
  const pulse = (words) => {
    const place = document.getElementById("pulse");
    if (place) place.textContent = words;
  };
  let answered = new Date();

  const show = (html) => {
    /* The style is in force already. */
    const bare = html.replace(/<style[^]*?<\/style>/, "");
    const next = new DOMParser().parseFromString(bare, "text/html");
    const fresh = next.getElementById("view");
    if (!fresh) throw new Error("not the page");
    const { scrollX, scrollY } = window;
    view.replaceChildren(...fresh.childNodes);
    window.scrollTo(scrollX, scrollY);
    if (document.title !== next.title) document.title = next.title;
  };

  const refresh = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(EVERY_MS) });
      if (!answer.ok) throw new Error("status " + answer.status);
      const html = await answer.text();
      answered = new Date();
      offline.hidden = true;
      if (String(getSelection())) {
        pulse(", held while text is selected");
        return;
      }
      show(html);
      pulse(", live");
    } catch {
      offline.textContent = "The agent does not answer since " +
        answered.toISOString().slice(11, 19) + " UTC. What is below is that old.";
      offline.hidden = false;
      document.title = "No answer · goavail";
    }
  };

  pulse(", live");
  setInterval(refresh, EVERY_MS);
  document.addEventListener("visibilitychange", refresh);
})();
