// Theme, boxes and time zone live in cookies, so that the server's first paint is already right.

const YEAR_S = 31_536_000;

export function remember(name, value) {
  document.cookie = `${name}=${value}; Path=/; Max-Age=${YEAR_S}; SameSite=Lax`;
}

export function startPreferences() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.includes(`tz=${zone}`)) remember("tz", zone);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-action=theme]")) return;
    const root = document.documentElement;
    const theme = root.dataset.theme === "light" ? "dark" : "light";
    root.dataset.theme = theme;
    document.querySelector("meta[name=color-scheme]").content = theme;
    remember("theme", theme);
  });
}
