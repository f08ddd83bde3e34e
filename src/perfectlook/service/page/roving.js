// One tab stop for a group of controls: arrows move in it, as in a grid of lines.

const KEYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/**
 * Let arrows move in `host`. `grid()`: the controls, line by line; `first(lines)`: the tab stop at first;
 * `stopped(control)` learns of each tab stop.
 */
export function rove(host, grid, first = (lines) => lines.flat()[0], stopped = () => {}) {
  let current = null;
  const settle = () => {
    const lines = grid();
    const all = lines.flat();
    if (!all.includes(current)) current = first(lines) ?? null;
    for (const each of all) each.tabIndex = each === current ? 0 : -1;
    stopped(current);
  };
  host.addEventListener("focusin", ({ target }) => {
    const control = grid()
      .flat()
      .find((each) => each.contains(target));
    if (!control) return;
    current = control;
    settle();
  });
  host.addEventListener("keydown", (event) => {
    const next = step(grid(), current, event.key);
    if (!next || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  new MutationObserver(settle).observe(host, { childList: true, subtree: true });
  settle();
}

/** The control that a key moves to, or null. */
export function step(lines, from, key) {
  const line = lines.findIndex((each) => each.includes(from));
  if (line < 0) return null;
  const at = lines[line].indexOf(from);
  if (key === "Home") return lines[line][0];
  if (key === "End") return lines[line].at(-1);
  if (!KEYS[key]) return null;
  const [down, along] = KEYS[key];
  const other = lines[line + down];
  return other?.[Math.min(at + along, down ? other.length - 1 : Infinity)] ?? null;
}
