// Zoom and pan of one picture: wheel, pinch, double click, buttons, + - 0.
import Panzoom from "../vendor/panzoom.js";
import { refitBoxes } from "./boxes.js";
import { onKey } from "./keys.js";

const MOST = 16;
let current = null;

function fit() {
  current?.reset({ animate: false });
}

export function isZoomed() {
  return current !== null && current.getScale() > 1.01;
}

export function attachZoom(article) {
  current?.destroy();
  current = null;
  const canvas = article.querySelector(".canvas");
  if (!canvas) return;
  const zoom = Panzoom(canvas, {
    maxScale: MOST, minScale: 1, step: 0.35, contain: "outside", panOnlyWhenZoomed: true,
    cursor: "default", touchAction: "pan-y", animate: false,
  });
  current = zoom;
  canvas.addEventListener("panzoomchange", (event) => {
    const zoomed = event.detail.scale > 1.01;
    canvas.style.setProperty("--zoom", event.detail.scale.toFixed(3));
    refitBoxes(canvas);
    canvas.style.cursor = zoomed ? "grab" : "default";
    // At rest a finger scrolls the page; zoomed in, it moves the picture.
    canvas.style.touchAction = canvas.parentElement.style.touchAction = zoomed ? "none" : "pan-y";
  });
  article.querySelector(".stage").addEventListener("wheel", zoom.zoomWithWheel, { passive: false });
  canvas.addEventListener("dblclick", (event) => {
    if (isZoomed()) fit();
    else zoom.zoomToPoint(3, event, { animate: false });
  });
}

export function startZoom() {
  // Without a transition: labels are sized by the scale that is meant, not by the one on its way.
  const actions = {
    in: () => current?.zoomIn({ animate: false }), out: () => current?.zoomOut({ animate: false }),
    fit,
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zoom]");
    if (button) actions[button.dataset.zoom]();
  });
  const act = (name) => () => {
    actions[name]();
    return current !== null;
  };
  onKey(["+", "="], act("in"));
  onKey(["-"], act("out"));
  onKey(["0"], act("fit"));
}
