// An EventSource that rests while the page is hidden: browsers allow six connections to a host, and
// six forgotten tabs would block the seventh. It goes on where it was.

const REST_AFTER_MS = 10_000;

export class LiveSource extends EventTarget {
  #source = null;
  #names = new Set();
  #seen = "";
  #timer = 0;
  onopen = null;
  onerror = null;

  constructor(url) {
    super();
    this.url = new URL(url, location.href);
    this.#connect();
    this.onVisibility = () => this.#follow();
    document.addEventListener("visibilitychange", this.onVisibility);
  }

  get readyState() {
    return this.#source?.readyState ?? EventSource.CONNECTING;
  }

  addEventListener(name, listener, options) {
    super.addEventListener(name, listener, options);
    if (this.#names.has(name)) return;
    this.#names.add(name);
    this.#source?.addEventListener(name, this.#relay);
  }

  close() {
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.#rest();
  }

  #relay = (event) => {
    this.#seen = event.lastEventId || this.#seen;
    this.dispatchEvent(new MessageEvent(event.type, { data: event.data }));
  };

  #connect() {
    if (this.#seen) this.url.searchParams.set("last_event_id", this.#seen);
    this.#source = new EventSource(this.url);
    this.#source.onopen = (event) => this.onopen?.(event);
    this.#source.onerror = (event) => this.onerror?.(event);
    for (const name of this.#names) this.#source.addEventListener(name, this.#relay);
  }

  #rest() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #follow() {
    clearTimeout(this.#timer);
    if (document.hidden) this.#timer = setTimeout(() => this.#rest(), REST_AFTER_MS);
    else if (!this.#source) this.#connect();
  }
}
