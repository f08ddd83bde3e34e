// Make elements in JavaScript, without a template language and without inline markup.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: properties by name, `on...` for events, `data` and `aria` as objects. Null is left out. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) apply(element, name, value);
  element.append(
    ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

function apply(element, name, value) {
  if (value === null || value === undefined) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "data") Object.assign(element.dataset, value);
  else if (name === "aria")
    for (const [key, text] of Object.entries(value))
      text === null || element.setAttribute(`aria-${key}`, text);
  else if (name === "class") element.className = value;
  else if (name in element && typeof value !== "string") element[name] = value;
  else element.setAttribute(name, value);
}

/** Make an SVG element. */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** An icon of the sprite in index.html. Use it next to a text or in a labelled button. */
export const icon = (name) =>
  s("svg", { class: "icon", "aria-hidden": "true" }, s("use", { href: `#icon-${name}` }));

/** How to scroll: smoothly, unless the visitor wants less motion. */
export const pace = () => (matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth");

/** Make these nodes the children of `host`. Nodes that stay are not moved: they keep focus and scroll. */
export const arrange = (host, nodes) =>
  keepingFocus(host, () => {
    for (const child of [...host.childNodes]) if (!nodes.includes(child)) child.remove();
    nodes.forEach((node, place) => {
      if (host.childNodes[place] !== node) host.insertBefore(node, host.childNodes[place] ?? null);
    });
  });

/** Replace the children of `host`. The element with the same `data-key` gets the focus and the caret back. */
export const replace = (host, ...nodes) =>
  keepingFocus(host, () => host.replaceChildren(...nodes.filter((node) => node !== null && node !== undefined)));

/**
 * Change what is in `host`. If the focused control is gone, its like gets the focus: the one with the same
 * `data-key`, otherwise the one of the same kind that took its place, the last of its kind, or any.
 */
function keepingFocus(host, change) {
  const active = document.activeElement;
  if (active === host || !host.contains(active)) return change();
  const alike = () =>
    [...host.querySelectorAll(active.localName)].filter(({ className }) => className === active.className);
  const place = alike().indexOf(active);
  const caret = active.type === "search" || active.type === "text" ? active.selectionStart : null;
  change();
  if (host.contains(active)) return null;
  const { key } = active.dataset;
  const same = key && [...host.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
  const others = same ? [] : alike();
  (same || others[place] || others.at(-1) || host.querySelector("button"))?.focus({ preventScroll: true });
  if (same && caret !== null) same.setSelectionRange(caret, caret);
  return null;
}
