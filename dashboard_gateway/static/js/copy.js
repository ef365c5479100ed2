// What is shortened on the page is copied whole.
import { onKey } from "./keys.js";
import { toast } from "./toast.js";

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied");
  } catch {
    // Plain http on another machine: browsers offer no clipboard there.
    window.prompt("Copy this:", text);
  }
}

export function startCopying() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button.dataset.copy);
  });
  onKey(["c"], () => {
    const frame = document.getElementById("frame");
    if (frame) copy(frame.dataset.cid);
    return frame !== null;
  });
}
