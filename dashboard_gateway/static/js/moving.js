// Arrows and j/k move among the pictures of a page; Enter opens (the links do that themselves).
import { onKey } from "./keys.js";

function pictures() {
  return [...document.querySelectorAll("main a.open")];
}

function isBehindDialog() {
  return document.querySelector("dialog[open]") !== null || document.getElementById("frame");
}

function focus(link) {
  link?.focus({ preventScroll: true });
  link?.scrollIntoView({ block: "nearest" });
}

function step(by) {
  if (isBehindDialog()) return false;
  const all = pictures();
  const at = all.indexOf(document.activeElement);
  focus(at < 0 ? all[0] : all[Math.min(Math.max(at + by, 0), all.length - 1)]);
  return all.length > 0;
}

// The nearest picture of the row below (or above): rows are whatever the grid made of the width.
function row(down) {
  const here = document.activeElement;
  if (isBehindDialog() || !here?.matches("main a.open")) return false;
  const from = here.getBoundingClientRect();
  let best = null;
  let least = Infinity;
  for (const link of pictures()) {
    const to = link.getBoundingClientRect();
    const below = down ? to.top - from.top : from.top - to.top;
    if (below < 8) continue;
    const distance = below * 4 + Math.abs(to.left - from.left);
    if (distance < least) [best, least] = [link, distance];
  }
  focus(best);
  return best !== null;
}

export function startMoving() {
  onKey(["ArrowRight", "j"], () => step(1));
  onKey(["ArrowLeft", "k"], () => step(-1));
  onKey(["ArrowDown"], () => row(true));
  onKey(["ArrowUp"], () => row(false));
}
