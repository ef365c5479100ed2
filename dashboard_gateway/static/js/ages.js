// Ages count on: "12 s ago". Titles show the instant in the viewer's zone.
import { serverNow } from "./server_time.js";

const UNITS = [[86_400, "d"], [3600, "h"], [60, "min"]];
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

export function duration(seconds) {
  for (const [unit_s, unit] of UNITS) {
    if (seconds >= unit_s) return `${Math.floor(seconds / unit_s)} ${unit}`;
  }
  return `${Math.max(0, Math.floor(seconds))} s`;
}

export function showAges(root = document) {
  for (const time of root.querySelectorAll("time[data-age]")) {
    const at_ms = Date.parse(time.dateTime);
    const seconds = (serverNow() - at_ms) / 1000;
    const text = seconds < 2 ? "now" : `${duration(seconds)} ago`;
    if (time.textContent !== text) time.textContent = text;
    if (!time.title) time.title = whole.format(at_ms);
  }
}

export function startAges() {
  showAges();
  setInterval(showAges, 1000);
  document.addEventListener("htmx:load", (event) => showAges(event.target));
}
