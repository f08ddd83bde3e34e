// What is said without being asked: to screen readers, and in short notes at the edge of the page.

const HOLD = 4000;
let timer = 0;

/** Tell a screen reader. */
export function say(text) {
  document.getElementById("spoken").textContent = text;
}

/** Show a note for a few seconds; screen readers read it too. */
export function toast(text) {
  const host = document.getElementById("toast");
  host.textContent = text;
  host.classList.add("shown");
  clearTimeout(timer);
  timer = setTimeout(() => host.classList.remove("shown"), HOLD);
}
