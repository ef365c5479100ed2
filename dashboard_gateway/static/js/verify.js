// "Verified in your browser": SHA-256 over the received bytes against the digest inside the CID.
// What is shown afterwards are those very bytes, so the verdict is about the picture one sees.

const WORDS = {
  404: "The picture is not there, or you may not see it.",
  410: "The bytes are gone.",
  504: "The bytes cannot be reached now. Reload to try again.",
};

function hex(buffer) {
  return [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function size(bytes) {
  return bytes < 1_000_000 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function tell(article, state, verdict, why) {
  const place = article.querySelector(".trust");
  place.dataset.verify = state;
  place.querySelector(".verdict").textContent = verdict;
  place.querySelector(".why").textContent = why;
}

function fail(article, text) {
  const place = article.querySelector(".failed");
  article.querySelector(".canvas").hidden = true;
  place.textContent = text;
  place.hidden = false;
}

async function show(image, blob) {
  const url = URL.createObjectURL(blob);
  const ready = new Image();
  ready.src = url;
  await ready.decode();
  image.src = url;
}

export async function verify(article) {
  if (!article.querySelector(".trust")) return;
  let response;
  try {
    response = await fetch(article.dataset.url, { cache: "force-cache" });
  } catch {
    tell(article, "unknown", "Not verified", "the picture could not be loaded");
    fail(article, "The picture could not be loaded. Check the connection and reload.");
    return;
  }
  if (!response.ok) {
    tell(article, "unknown", "Not verified", "there is nothing to check");
    fail(article, WORDS[response.status] ?? `The picture cannot be shown (${response.status}).`);
    return;
  }
  if (!window.crypto?.subtle) {
    tell(article, "unknown", "Not verified here", "needs https: browsers check hashes only there");
    return;
  }
  const blob = await response.blob();
  const digest = hex(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  if (digest !== article.dataset.digest) {
    tell(article, "bad", "These are not the bytes", `received ${digest.slice(0, 10)}…`);
    fail(article, "The bytes received are not those that the CID names. They are not shown.");
    return;
  }
  tell(article, "good", "Verified in your browser",
    `SHA-256 of the ${size(blob.size)} received equals the CID`);
  // A picture that cannot be decoded is still what was stored: the verdict stands.
  await show(article.querySelector(".picture"), blob).catch(() => {
    fail(article, "These are the stored bytes, but they cannot be shown as a picture.");
  });
}
