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

/** Make these nodes the children of `host`. Nodes that stay are not moved: they keep focus and scroll. */
export function arrange(host, nodes) {
  for (const child of [...host.childNodes]) if (!nodes.includes(child)) child.remove();
  nodes.forEach((node, place) => {
    if (host.childNodes[place] !== node) host.insertBefore(node, host.childNodes[place] ?? null);
  });
}

/** Replace the children of `host`. The element with the same `data-key` gets the focus and the caret back. */
export function replace(host, ...nodes) {
  const active = host.contains(document.activeElement) ? document.activeElement : null;
  const key = active?.dataset.key;
  const caret = active?.type === "search" || active?.type === "text" ? active.selectionStart : null;
  host.replaceChildren(...nodes.filter((node) => node !== null && node !== undefined));
  if (!key) return;
  const again = [...host.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
  again?.focus({ preventScroll: true });
  if (again && caret !== null) again.setSelectionRange(caret, caret);
}
