// Keyboard: modules say which keys they take; typing in a field is never taken.

const handlers = new Map();

export function onKey(keys, handle) {
  for (const key of keys) handlers.set(key, [...(handlers.get(key) ?? []), handle]);
}

function isTyping(element) {
  return element.matches("input:not([type=checkbox], [type=radio]), textarea, select")
    || element.isContentEditable;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  // The last module that registered goes first; whoever returns true has used the key.
  for (const handle of [...(handlers.get(event.key) ?? [])].reverse()) {
    if (handle(event)) {
      event.preventDefault();
      return;
    }
  }
});
