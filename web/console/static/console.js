// Keeps the page live: hears which parts changed, fetches the page again, swaps those parts. Opens links in a panel.
"use strict";

(function () {
  const LEAST_PAUSE_MS = 1000;
  // Ages grow by themselves: without news the page is still read again this often.
  const LONGEST_PAUSE_MS = 20000;
  const live = document.getElementById("live");
  const panel = document.getElementById("panel");
  const panelContent = document.getElementById("panel-content");
  let waiting = new Set();
  let timer = null;
  let panelAddress = null;

  async function load(address) {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.redirected && answer.url.includes("/sign-in")) {
      location.href = answer.url;
      return null;
    }
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  }

  // Swaps what changed, and leaves alone what somebody is working in.
  function swap(root, fresh, parts) {
    for (const old of root.querySelectorAll("[data-parts]")) {
      const concerned = old.dataset.parts.split(" ").some((part) => parts.has(part));
      const next = old.id && fresh.getElementById(old.id);
      const busy = old.querySelector("details[open]") || old.querySelector("input:focus, select:focus");
      if (!concerned || !next || busy || old.innerHTML === next.innerHTML) continue;
      const known = new Set(Array.from(old.querySelectorAll("[data-key]"), (row) => row.dataset.key));
      const scrolled = Array.from(old.querySelectorAll(".scroll"), (box) => box.scrollLeft);
      for (const row of next.querySelectorAll("[data-key]")) {
        if (known.size && !known.has(row.dataset.key)) row.classList.add("fresh");
      }
      old.replaceWith(document.adoptNode(next));
      next.querySelectorAll(".scroll").forEach((box, n) => { box.scrollLeft = scrolled[n] || 0; });
    }
  }

  async function refresh() {
    timer = null;
    if (document.hidden || !waiting.size) return;
    const parts = waiting;
    waiting = new Set();
    try {
      const content = document.getElementById("content");
      // What was answered to a form cannot be asked for again: such a page says where it is read anew.
      const fresh = await load(content.dataset.address || location.href);
      if (fresh) swap(content, fresh, parts);
      if (panel.open && panelAddress) {
        const inside = await load(panelAddress);
        if (inside) swap(panelContent, inside, parts);
      }
    } catch (error) {
      parts.forEach((part) => waiting.add(part));
    }
  }

  function soon() {
    if (timer === null) timer = setTimeout(refresh, LEAST_PAUSE_MS);
  }

  function listen() {
    const news = new EventSource("/console/events");
    news.addEventListener("changed", (event) => {
      JSON.parse(event.data).parts.forEach((part) => waiting.add(part));
      soon();
    });
    news.onopen = () => show(true);
    news.onerror = () => {
      show(false);
      // Browsers give up on an answer that is an error; we do not.
      if (news.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    };
  }

  function show(on) {
    live.hidden = false;
    live.classList.toggle("off", !on);
    live.textContent = on ? live.dataset.on : live.dataset.off;
  }

  async function openPanel(link) {
    panelAddress = link.href.split("#")[0];
    const page = await load(link.href);
    if (!page) return;
    // What stands is told by the page below already.
    page.getElementById("standing")?.remove();
    panelContent.replaceChildren(...document.adoptNode(page.getElementById("content")).childNodes);
    if (!panel.open) panel.showModal();
    const part = link.hash && panelContent.querySelector(link.hash);
    if (part) part.scrollIntoView();
    else panel.scrollTop = 0;
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-panel]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
      event.preventDefault();
      openPanel(link).catch(() => { location.href = link.href; });
    } else if (event.target === panel) {
      panel.close();
    }
  });

  document.addEventListener("visibilitychange", () => { if (!document.hidden && waiting.size) soon(); });

  if (live) {
    listen();
    setInterval(() => { document.querySelectorAll("[data-parts]").forEach((part) => part.dataset.parts.split(" ").forEach((name) => waiting.add(name))); soon(); }, LONGEST_PAUSE_MS);
  }
})();
