// The server's clock: a browser's own may be minutes off, and ages would lie.

const told = Number(document.querySelector("meta[name=server-time]")?.content ?? Date.now());
let ahead_ms = Date.now() - told;

export function serverNow() {
  return Date.now() - ahead_ms;
}

export function tellServerTime(now_ms) {
  ahead_ms = Date.now() - now_ms;
}
