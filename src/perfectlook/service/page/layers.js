// What lies over the page, such as the drawer: the browser's Back closes it before it leaves the page.

const open = [];
let own = 0;

/** Report that a layer was opened. `close` closes it. */
export function opened(close) {
  open.push(close);
  history.pushState({ layer: open.length }, "", location.href);
}

/** Report that a layer was closed in another way than by Back: its entry of the history goes too. */
export function closed(close) {
  const at = open.indexOf(close);
  if (at < 0) return;
  open.splice(at, 1);
  own += 1;
  history.back();
}

/** Handle a step back: close the top layer. False if it was a step of the page itself. */
export function back() {
  if (own > 0) {
    own -= 1;
    return true;
  }
  const close = open.pop();
  close?.();
  return Boolean(close);
}
