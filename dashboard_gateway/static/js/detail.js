// A frame opens over the list and has its own address; Back closes it, as do Escape and the cross.
import { watchBoxes } from "./boxes.js";
import { onKey } from "./keys.js";
import { toast } from "./toast.js";
import { verify } from "./verify.js";
import { attachZoom, isZoomed, startZoom } from "./zoom.js";

const SWIPE_PX = 60;
const KEPT = 6;
const fetched = new Map();
let dialog = null;
let opener = null;

async function load(url) {
  const response = await fetch(url, { headers: { "HX-Request": "true" } });
  if (response.status === 401) location.assign(`/login?next=${encodeURIComponent(url)}`);
  if (!response.ok) throw new Error(`${response.status}`);
  return response.text();
}

function get(url) {
  if (!fetched.has(url)) {
    fetched.set(url, load(url));
    fetched.get(url).catch(() => fetched.delete(url));
    if (fetched.size > KEPT) fetched.delete(fetched.keys().next().value);
  }
  return fetched.get(url);
}

function place() {
  return dialog.open ? dialog : document.querySelector("body.with-detail main");
}

// The neighbours and their pictures are fetched ahead: a step shows at once.
async function fetchAhead(article) {
  for (const link of article.querySelectorAll("a.step")) {
    const html = await get(link.getAttribute("href")).catch(() => "");
    const url = /data-url="([^"]+)"/.exec(html)?.[1];
    if (url && html.includes("class=\"canvas\"")) new Image().src = url;
  }
}

function begin(root) {
  const article = root.querySelector("#frame");
  if (!article) return;
  watchBoxes(article);
  attachZoom(article);
  article.querySelector(".picture")?.addEventListener("load", () => fetchAhead(article), { once: true });
  verify(article);
}

async function show(url) {
  try {
    const html = await get(url);
    fetched.delete(url); // the next visit asks again: states change
    const target = place();
    const isSteppingFrom = document.activeElement?.closest("a.step")?.className;
    target.innerHTML = html;
    begin(target);
    if (isSteppingFrom) target.querySelector(`a.${isSteppingFrom.split(" ").at(-1)}`)?.focus();
  } catch {
    toast("The frame could not be loaded");
  }
}

function open(url, link) {
  opener = link;
  history.pushState({ detail: true }, "", url);
  if (!dialog.open) dialog.showModal();
  show(url);
}

function step(direction) {
  const link = document.querySelector(`#frame a.step.${direction}`);
  if (!link) return document.getElementById("frame") !== null;
  const url = link.getAttribute("href");
  history.replaceState(history.state, "", url);
  show(url);
  return true;
}

function close() {
  if (history.state?.detail) history.back();
  else location.assign(document.querySelector("#frame [data-close]").href);
}

function closeDialog() {
  dialog.close();
  dialog.replaceChildren();
  attachZoom(dialog);
  opener?.focus({ preventScroll: true });
}

function onClick(event) {
  const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  const link = event.target.closest("a");
  if (!link || !isPlain) return;
  if (link.matches("a.open[data-frame]")) open(link.getAttribute("href"), link);
  else if (link.matches("#frame a.step")) step(link.classList.contains("newer") ? "newer" : "older");
  else if (link.matches("#frame [data-close]") && dialog.open) close();
  else return;
  event.preventDefault();
}

function watchSwipes() {
  let start = null;
  document.addEventListener("touchstart", (event) => {
    const isOne = event.touches.length === 1 && event.target.closest("#frame .stage");
    start = isOne && !isZoomed() ? event.touches[0] : null;
  }, { passive: true });
  document.addEventListener("touchend", (event) => {
    if (!start) return;
    const dx = event.changedTouches[0].clientX - start.clientX;
    const dy = event.changedTouches[0].clientY - start.clientY;
    start = null;
    if (Math.abs(dx) > SWIPE_PX && Math.abs(dx) > 2 * Math.abs(dy)) step(dx < 0 ? "older" : "newer");
  }, { passive: true });
}

function lightBoxes() {
  document.addEventListener("pointerover", (event) => {
    const row = event.target.closest("#frame .found li");
    for (const part of document.querySelectorAll("#frame .box, #frame .label")) {
      part.classList.toggle("lit", row !== null && part.dataset.ordinal === row.dataset.ordinal);
    }
  });
}

export function startDetail() {
  dialog = document.getElementById("detail");
  if (!dialog) return;
  startZoom();
  begin(document);
  watchSwipes();
  lightBoxes();
  document.addEventListener("click", onClick);
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    close();
  });
  window.addEventListener("popstate", () => {
    if (dialog.open && !location.pathname.startsWith("/frames/")) closeDialog();
    else if (location.pathname.startsWith("/frames/")) {
      if (!dialog.open && !document.body.classList.contains("with-detail")) dialog.showModal();
      show(location.pathname + location.search);
    }
  });
  onKey(["ArrowLeft", "k"], () => step("newer"));
  onKey(["ArrowRight", "j"], () => step("older"));
  onKey(["Escape"], () => {
    const isAlone = !dialog.open && document.getElementById("frame") !== null;
    if (isAlone) close();
    return isAlone;
  });
}
