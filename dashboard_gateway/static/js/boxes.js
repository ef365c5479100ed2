// Boxes: shown or not with `b`; labels keep their size on the screen at any size of the picture.
import { onKey } from "./keys.js";
import { remember } from "./preferences.js";

const observer = new ResizeObserver((entries) => {
  for (const entry of entries) fit(entry.target);
});

// --unit is how many pixels of the frame one CSS pixel covers.
function fit(svg) {
  const { width, height } = svg.viewBox.baseVal;
  // Not getBoundingClientRect: a zoomed picture's labels are scaled by --zoom, not twice.
  const scales = [svg.clientWidth / width, svg.clientHeight / height];
  const isCover = svg.getAttribute("preserveAspectRatio").endsWith("slice");
  const scale = isCover ? Math.max(...scales) : Math.min(...scales);
  if (!(scale > 0)) return;
  svg.style.setProperty("--unit", (1 / scale).toFixed(3));
  declutter(svg, 1 / scale);
}

// A crowd far away is many small boxes: only labels that cover no other are shown, those of large
// boxes first (they are drawn first). Zooming in makes room, and the rest appear.
function declutter(svg, unit) {
  const style = getComputedStyle(svg);
  const size = unit * Number(style.getPropertyValue("--tag") || 1)
    / Number(style.getPropertyValue("--zoom") || 1);
  const placed = [];
  for (const label of svg.querySelectorAll(".label")) {
    const at = label.transform.baseVal[0].matrix;
    const { x, y, width, height } = label.querySelector("rect");
    const left = at.e + x.baseVal.value * size;
    const top = at.f + y.baseVal.value * size;
    const area = {
      left, top, right: left + width.baseVal.value * size, bottom: top + height.baseVal.value * size,
    };
    const isCovering = placed.some((other) => area.left < other.right && other.left < area.right
      && area.top < other.bottom && other.top < area.bottom);
    label.classList.toggle("crowded", isCovering);
    if (!isCovering) placed.push(area);
  }
}

export function refitBoxes(root) {
  for (const svg of root.querySelectorAll("svg.boxes")) fit(svg);
}

// Frames from senders that did not say their size: the picture itself knows.
function takeSize(svg) {
  const image = svg.parentElement.querySelector("img");
  const take = () => {
    svg.setAttribute("viewBox", `0 0 ${image.naturalWidth} ${image.naturalHeight}`);
    fit(svg);
  };
  if (image.complete && image.naturalWidth) take();
  else image.addEventListener("load", take, { once: true });
}

export function watchBoxes(root) {
  for (const svg of root.querySelectorAll("svg.boxes")) {
    if (svg.hasAttribute("data-unsized")) takeSize(svg);
    observer.observe(svg);
  }
}

export function toggleBoxes() {
  const root = document.documentElement;
  const shown = root.dataset.boxes === "off";
  root.dataset.boxes = shown ? "on" : "off";
  remember("boxes", root.dataset.boxes);
  for (const button of document.querySelectorAll("[data-action=boxes]")) {
    button.setAttribute("aria-pressed", String(shown));
  }
  return true;
}

export function startBoxes() {
  watchBoxes(document);
  document.addEventListener("htmx:load", (event) => watchBoxes(event.target));
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-action=boxes]")) toggleBoxes();
  });
  onKey(["b"], toggleBoxes);
}
