// Announcements: for screen readers, and as short notes at the edge of the page.

const HOLD = 4000;
let timer = 0;

/** Announce a text to screen readers. */
export function say(text) {
  document.getElementById("spoken").textContent = text;
}

/** Show a note for a few seconds. Screen readers read it too. */
export function toast(text) {
  const host = document.getElementById("toast");
  host.textContent = text;
  host.classList.add("shown");
  clearTimeout(timer);
  timer = setTimeout(() => host.classList.remove("shown"), HOLD);
}
