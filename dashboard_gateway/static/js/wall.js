// The wall: each camera's newest frame takes its tile's place when its picture is ready, so nothing
// blinks and nothing moves. A camera that fell silent says so.
import { duration, showAges } from "./ages.js";
import { watchBoxes } from "./boxes.js";
import { LiveSource } from "./live_source.js";
import { serverNow, tellServerTime } from "./server_time.js";

const PICTURE_MS = 4000;
const wall = document.getElementById("wall");
const lost = document.querySelector(".link-lost");
const latest = new WeakMap();

function seen(event) {
  const told = JSON.parse(event.data);
  tellServerTime(told.now);
  for (const [camera, at_ms] of Object.entries(told.cameras)) {
    const tile = wall?.querySelector(`.tile[data-camera="${camera}"]`);
    if (!tile) location.reload(); // a camera that was not there when the page was made
    else if (at_ms) tile.dataset.seenAt = new Date(at_ms).toISOString();
  }
}

function showSilence() {
  const limit_s = Number(wall.dataset.silentAfter);
  for (const tile of wall.querySelectorAll(".tile[data-seen-at]")) {
    const silent_s = (serverNow() - Date.parse(tile.dataset.seenAt)) / 1000;
    const isSilent = silent_s > limit_s;
    const text = isSilent ? `silent for ${duration(silent_s)}` : "";
    const place = tile.querySelector(".silence");
    tile.classList.toggle("silent", isSilent);
    if (place.textContent !== text) place.textContent = text;
  }
}

// A frame is a sign of life too; one of long ago says nothing new.
function hear(tile, at) {
  if (at && Date.parse(at) > Date.parse(tile.dataset.seenAt ?? 0)) tile.dataset.seenAt = at;
}

async function isReady(image) {
  if (!image) return;
  const ahead = new Image();
  [ahead.sizes, ahead.srcset, ahead.src] = [image.sizes, image.srcset, image.src];
  const patience = new Promise((resolve) => { setTimeout(resolve, PICTURE_MS); });
  await Promise.race([ahead.decode().catch(() => {}), patience]);
}

async function replace(place, html) {
  const turn = {};
  latest.set(place, turn);
  const template = document.createElement("template");
  template.innerHTML = html;
  await isReady(template.content.querySelector("img"));
  if (latest.get(place) !== turn) return; // a newer one came meanwhile
  hear(place.closest(".tile"), template.content.querySelector("a.open")?.dataset.at);
  const hadFocus = place.contains(document.activeElement);
  place.replaceChildren(template.content);
  watchBoxes(place);
  showAges(place);
  if (hadFocus) place.querySelector("a.open")?.focus({ preventScroll: true });
}

function onTile(event) {
  event.preventDefault(); // htmx would swap before the picture is there
  replace(event.target, event.detail.data);
}

window.htmx.createEventSource = (url) => {
  const source = new LiveSource(url);
  source.addEventListener("seen", seen);
  return source;
};
document.addEventListener("htmx:sseBeforeMessage", onTile);
if (wall) {
  document.addEventListener("htmx:sseOpen", () => { lost.hidden = true; });
  document.addEventListener("htmx:sseError", () => { lost.hidden = false; });
  setInterval(showSilence, 1000);
}
