// A short word at the bottom, read out by screen readers.

let timer = 0;

export function toast(text) {
  const place = document.getElementById("toast");
  // Over an open dialog only what is inside it can be seen.
  (document.querySelector("dialog[open]") ?? document.body).append(place);
  place.textContent = text;
  place.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => { place.hidden = true; }, 2500);
}
