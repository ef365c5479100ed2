// The list: filters act at once and stand in the URL; new frames are offered, never pushed in.
import { onKey } from "./keys.js";
import { LiveSource } from "./live_source.js";

const form = document.getElementById("filters");
let listUrl = location.pathname + location.search;

function wantedUrl() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value && !(name === "min_confidence" && Number(value) === 0)) query.append(name, value);
  }
  // An exact time and a preset are one choice: the last one stands.
  const times = query.getAll("from");
  if (times.length > 1) query.set("from", times.at(-1));
  const text = query.toString();
  return text ? `/explore?${text}` : "/explore";
}

function showCounts() {
  for (const menu of form.querySelectorAll(".menu")) {
    const chosen = new Set();
    for (const input of menu.querySelectorAll("input")) {
      const isBox = input.type === "checkbox" || input.type === "radio";
      if (input.type !== "range" && input.value && (!isBox || input.checked)) chosen.add(input);
    }
    menu.querySelector(".count")?.remove();
    if (!chosen.size) continue;
    const count = document.createElement("b");
    count.className = "count";
    count.textContent = chosen.size;
    menu.querySelector("summary .icon:last-child").before(count);
  }
}

async function refresh() {
  const url = wantedUrl();
  if (url === listUrl) return;
  listUrl = url;
  history.pushState(null, "", url);
  showCounts();
  document.getElementById("results").classList.add("loading");
  await window.htmx.ajax("GET", url, { target: "#results", select: "#results", swap: "outerHTML" });
  document.getElementById("results").classList.remove("loading");
  window.scrollTo(0, 0);
}

function onInput(event) {
  const input = event.target;
  if (input.type === "range") {
    input.closest("label").querySelector("output").textContent = `${Math.round(input.value * 100)} %`;
  }
  if (input.type === "radio") {
    // A preset replaces the exact time.
    for (const exact of form.querySelectorAll("[type=datetime-local]")) exact.value = "";
  }
}

function isWanted(frame) {
  const query = new URLSearchParams(listUrl.split("?")[1] ?? "");
  const cameras = query.getAll("camera");
  const sites = query.getAll("site");
  const classes = query.getAll("class");
  const least = Number(query.get("min_confidence") ?? 0);
  if (query.get("to") || query.get("bytes_state") || query.get("analysis_state")) return false;
  if (cameras.length && !cameras.includes(`${frame.site}/${frame.camera}`)) return false;
  if (sites.length && !sites.includes(frame.site)) return false;
  if (!classes.length && !least) return true;
  return frame.detections.some((found) => found.confidence >= least
    && (!classes.length || classes.includes(found.class_name)));
}

function offerNew(event) {
  const frame = JSON.parse(event.data);
  const newest = document.querySelector("#rows a.open time")?.dateTime;
  const offer = document.querySelector(".fresh");
  if (!offer || !newest || Date.parse(frame.captured_at) <= Date.parse(newest)) return;
  if (isWanted(frame)) offer.hidden = false;
}

form.addEventListener("change", refresh);
form.addEventListener("input", onInput);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  refresh();
});
window.addEventListener("popstate", () => {
  const isList = location.pathname === "/explore";
  if (isList && location.pathname + location.search !== listUrl) location.reload();
});
onKey(["/"], () => {
  const summary = document.getElementById("first-filter");
  summary.parentElement.open = true;
  summary.focus();
  return true;
});
new LiveSource("/api/v1/live").addEventListener("frame", offerNew);
