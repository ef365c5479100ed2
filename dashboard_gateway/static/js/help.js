// `?` shows the keys.
import { onKey } from "./keys.js";

export function startHelp() {
  const dialog = document.getElementById("help");
  if (!dialog) return;
  const toggle = () => {
    if (dialog.open) dialog.close();
    else dialog.showModal();
    return true;
  };
  onKey(["?"], toggle);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-action=help]")) toggle();
    if (event.target === dialog) dialog.close(); // the backdrop
  });
}
