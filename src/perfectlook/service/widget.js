// <perfect-look>: products that go with a product or a photo, on a shop's own page. One module, no dependencies.
// docs/how-to/widget.md describes its attributes, events, parts and CSS variables.

const TEXTS = {
  en: {
    heading: "Goes well with this",
    look: "Complete the look",
    add: "Add a photo of your room or outfit",
    change: "Choose another photo",
    privacy: "Your photo is not stored.",
    working: "Looking for products …",
    empty: "There are no suggestions right now.",
    unreadable: "This photo cannot be used. Please choose another one.",
    busy: "Please try again in a moment.",
    found: (count) => (count === 1 ? "1 product" : `${count} products`),
    basket: (title) => `Add to basket: ${title}`,
    added: (title) => `Added to basket: ${title}. Add another one`,
    all: "Add all to basket",
    before: "before",
    total: "Together",
    categories: "Categories",
    back: "Back",
    next: "Next",
  },
  de: {
    heading: "Passt gut dazu",
    look: "Den Look vervollständigen",
    add: "Foto von Zimmer oder Outfit hinzufügen",
    change: "Anderes Foto wählen",
    privacy: "Ihr Foto wird nicht gespeichert.",
    working: "Produkte werden gesucht …",
    empty: "Gerade gibt es keine Vorschläge.",
    unreadable: "Dieses Foto kann nicht verwendet werden. Bitte wählen Sie ein anderes.",
    busy: "Bitte versuchen Sie es gleich noch einmal.",
    found: (count) => (count === 1 ? "1 Produkt" : `${count} Produkte`),
    basket: (title) => `In den Warenkorb: ${title}`,
    added: (title) => `Im Warenkorb: ${title}. Noch eines hinzufügen`,
    all: "Alles in den Warenkorb",
    before: "vorher",
    total: "Zusammen",
    categories: "Kategorien",
    back: "Zurück",
    next: "Weiter",
  },
};

const CSS = `
:host {
  --_ink: var(--perfect-look-ink, currentColor);
  --_soft: var(--perfect-look-soft, color-mix(in srgb, currentColor 68%, transparent));
  --_line: var(--perfect-look-line, color-mix(in srgb, currentColor 16%, transparent));
  --_tile: var(--perfect-look-tile, color-mix(in srgb, currentColor 5%, transparent));
  --_accent: var(--perfect-look-accent, CanvasText);
  --_on-accent: var(--perfect-look-on-accent, Canvas);
  --_round: var(--perfect-look-radius, 12px);
  --_gap: var(--perfect-look-gap, 16px);
  --_card: var(--perfect-look-card, clamp(148px, 22cqi, 220px));
  --_ratio: var(--perfect-look-ratio, 1);
  display: block;
  container-type: inline-size;
  color: var(--_ink);
  font: inherit;
  font-family: var(--perfect-look-font, inherit);
  line-height: 1.4;
  text-align: start;
}
:host([hidden]) { display: none; }
*, *::before { box-sizing: border-box; }
h2 { margin: 0; font: inherit; font-weight: 600; font-size: 1.375em; line-height: 1.25; text-wrap: balance; }
header { display: flex; align-items: end; justify-content: space-between; gap: var(--_gap); min-height: 44px;
  margin-bottom: 12px; }
ul { margin: 0; padding: 0; list-style: none; }
button, .drop { font: inherit; color: inherit; cursor: pointer; }
button { background: none; border: 0; padding: 0; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
:focus-visible { outline: 2px solid var(--_accent); outline-offset: 3px; }
.tabs { display: flex; gap: 8px; overflow-x: auto; scrollbar-width: none; height: 44px; margin-bottom: 12px;
  padding: 0 4px; margin-inline: -4px; }
.tabs > * { margin-block: auto; }
.tabs button { flex: none; min-height: 36px; padding: 0 14px; border: 1px solid var(--_line); border-radius: 99px;
  font-size: 0.9375em; white-space: nowrap; }
.tabs button[aria-selected="true"] { background: var(--_accent); border-color: var(--_accent);
  color: var(--_on-accent); }
.tabs button:focus-visible { outline-offset: 1px; }
.strip { display: grid; grid-auto-flow: column; grid-auto-columns: var(--_card); justify-content: start;
  gap: var(--_gap); overflow-x: auto; overscroll-behavior-x: contain; scroll-snap-type: x proximity;
  scrollbar-width: none; padding: 4px; margin: -4px; }
.strip::-webkit-scrollbar, .tabs::-webkit-scrollbar { display: none; }
.card { position: relative; scroll-snap-align: start; scroll-margin: 4px; min-width: 0; }
.link { display: block; color: inherit; text-decoration: none; border-radius: var(--_round); width: 100%;
  text-align: start; }
.picture { display: block; position: relative; aspect-ratio: var(--_ratio); border-radius: var(--_round);
  background: var(--_tile); overflow: hidden; margin-bottom: 10px; }
.picture > img, .picture > canvas { width: 100%; height: 100%; object-fit: contain; display: block;
  mix-blend-mode: var(--perfect-look-blend, normal); transition: scale 0.35s; }
.label { position: absolute; inset: 8px auto auto 8px; max-width: calc(100% - 16px); padding: 2px 10px;
  border-radius: 99px; background: Canvas; color: CanvasText; font-size: 0.8125em; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.title { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; height: 2lh;
  font-size: 0.9375em; }
.link:hover .title { text-decoration: underline; text-underline-offset: 3px; }
.money { display: flex; flex-wrap: wrap; gap: 0 8px; height: 1lh; overflow: hidden; margin-top: 4px; font-weight: 600;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.money s { color: var(--_soft); font-weight: 400; }
.brand { display: block; height: 1lh; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  color: var(--_soft); font-size: 0.875em; }
.add { position: absolute; top: calc(var(--_card) / var(--_ratio) - 50px); right: 6px; width: 44px; height: 44px;
  border-radius: 50%; display: grid; }
.add::before { content: ""; position: absolute; inset: 4px; border-radius: 50%; background: var(--_accent); }
.add svg { position: relative; margin: auto; width: 18px; height: 18px; stroke: var(--_on-accent); stroke-width: 2; fill: none;
  stroke-linecap: round; stroke-linejoin: round; }
.add.in .plus, .add:not(.in) .tick { display: none; }
.moves { display: none; gap: 8px; flex: none; }
.moves button { width: 44px; height: 44px; border: 1px solid var(--_line); border-radius: 50%; }
.moves button:disabled { opacity: 0.35; cursor: default; }
.moves svg { width: 18px; height: 18px; stroke: currentColor; stroke-width: 2; fill: none; display: block;
  margin: auto; stroke-linecap: round; stroke-linejoin: round; }
.total { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 8px var(--_gap);
  min-height: 76px; padding-top: 12px; }
.total > *, .drop > * { margin-block: auto; }
.total strong { font-size: 1.125em; margin-inline-start: 6px; font-variant-numeric: tabular-nums; }
.all { min-height: 44px; padding: 0 20px; border-radius: 99px; background: var(--_accent);
  color: var(--_on-accent); font-weight: 600; }
.drop { display: flex; gap: 16px; min-height: 96px; padding: 12px 16px; margin-bottom: 16px;
  border: 1.5px dashed var(--_soft); border-radius: var(--_round); position: relative; }
.drop:hover, .drop.over { background: var(--_tile); }
.drop:focus-within { outline: 2px solid var(--_accent); outline-offset: 3px; }
.drop canvas { width: 72px; height: 72px; object-fit: cover; border-radius: calc(var(--_round) / 2); flex: none; }
.drop svg { width: 32px; height: 32px; flex: none; stroke: currentColor; stroke-width: 1.5; fill: none;
  stroke-linejoin: round; }
.drop strong { font-weight: 600; display: block; }
.drop small { color: var(--_soft); font-size: 0.875em; }
.empty { margin: 0; padding: 12px 0; color: var(--_soft); }
.bone .picture, .bone i, .tabs i { animation: wait 1.6s ease-in-out infinite; }
.bone i { display: block; background: var(--_tile); border-radius: 6px; }
.bone .title i { height: 0.8lh; margin-top: 0.1lh; width: 92%; }
.bone .title i + i { width: 60%; margin-top: 0.2lh; }
.bone .money i { height: 0.8lh; width: 40%; }
.tabs i { flex: none; width: 88px; height: 36px; border-radius: 99px; background: var(--_tile); }
.bone:nth-child(2) *, .tabs i:nth-child(2) { animation-delay: 0.12s; }
.bone:nth-child(3) *, .tabs i:nth-child(3) { animation-delay: 0.24s; }
@keyframes wait { 50% { opacity: 0.45; } }
@media (hover: hover) and (pointer: fine) {
  .moves:has(:enabled) { display: flex; }
  .link:hover img { scale: 1.03; }
}
@media (pointer: coarse) { .tabs button { min-height: 44px; min-width: 44px; } }
@media (prefers-reduced-motion: reduce) { *, *::before { animation: none !important; transition: none !important; } }
@media (forced-colors: active) { .tabs [aria-selected="true"] { outline: 2px solid Highlight; } }
`;

const HERE = new URL(".", import.meta.url).href;
const SECONDS = 20;
const BATCH = 50;
const SOON = 1000;
const SIDE = 1280;
const PICTURE = 512;
const MOST_TABS = 6;
const ATTRIBUTES = [
  ...["product", "photo", "sample", "upload", "look", "k", "categories", "where", "locale", "heading"],
  ...["basket", "key", "service", "session", "loading", "feedback"],
];
const ICONS = {
  plus: "M12 5v14M5 12h14",
  tick: "m5 13 4.5 4.5L19 7",
  left: "m15 5-7 7 7 7",
  right: "m9 5 7 7-7 7",
  photo: "M4 7h4l1.5-2h5L16 7h4v12H4zM12 16a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z",
};

let sheet;
const styles = () => {
  if (!sheet) {
    sheet = new CSSStyleSheet(); // a strict content security policy of the page allows it
    sheet.replaceSync(CSS);
  }
  return sheet;
};

/** Make an element. Attributes that are null or false are left out; functions are listeners. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter(Boolean));
  return element;
}

function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", name);
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** The address of a link or picture of a feed; null if it is not http(s). `shop/1` is below `service`, `/1` is not. */
function safe(address, service = document.baseURI) {
  try {
    const url = new URL(address, address.startsWith("/") ? document.baseURI : service);
    return /^https?:$/.test(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** A product's title, or another text, with the quantity of its slot: "4 × Chair". */
const counted = ({ title, id, quantity }, text = title || id) => (quantity > 1 ? `${quantity} × ${text}` : text);

/** A failed call: a message for the developer, and a text for the shopper. */
class Failure extends Error {
  constructor(message, text = "empty") {
    super(message);
    this.text = text;
  }
}

/** Events that wait to be sent, by service, key, session and answer. */
const waiting = new Map();
let timer = 0;

function flush() {
  clearTimeout(timer);
  timer = 0;
  for (const { send, events } of waiting.values()) {
    while (events.length) send(events.splice(0, BATCH));
  }
  waiting.clear();
}

addEventListener("pagehide", flush);
document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && flush());

class PerfectLook extends HTMLElement {
  static observedAttributes = ATTRIBUTES;

  /** The shop's own names of categories by their paths: { "Furniture|Chairs": "Seats" }. */
  names = {};
  /** The shop's own texts: { add: "…" }. For a language without texts here, and to change some. */
  texts = {};
  #short = {};
  #added = new Set();
  #root = this.attachShadow({ mode: "open" });
  #near = null;
  #seen = null;
  #call = null;
  #planned = false;
  #file = null;
  #answer = null;
  #box;
  #said;
  #strip;
  #chosen = 0;
  #warned = new Set();

  connectedCallback() {
    this.#root.adoptedStyleSheets = [styles()];
    this.#plan();
  }

  disconnectedCallback() {
    this.#near?.disconnect();
    this.#seen?.disconnect();
    this.#call?.abort();
    this.#near = this.#seen = this.#call = null;
  }

  attributeChangedCallback(name, before, now) {
    if (before === now || !this.isConnected) return;
    if (["product", "photo", "sample"].includes(name)) this.#file = null;
    this.#plan();
  }

  /** Report an event of a product by its id, such as `added` from the shop's own button. The page gets no event. */
  report(event, id) {
    const found = this.#answer?.products.find((each) => each.id === id);
    if (found) this.#note(event, found);
    if (found && event === "added") this.#mark(found);
    return Boolean(found);
  }

  /** Ask again, for example after a change of `names` or `texts`. */
  refresh() {
    this.#plan();
  }

  #plan() {
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      if (this.isConnected) this.#start();
    });
  }

  #start() {
    this.#near?.disconnect();
    this.#call?.abort();
    this.#answer = null;
    this.#frame();
    const asked = this.#asked();
    if (!asked) {
      if (!this.hasAttribute("upload"))
        this.#fail(new Failure("nothing to ask for. Set product, photo, sample or upload."));
      return;
    }
    const begin = () => this.#load(asked);
    if (this.getAttribute("loading") === "eager" || this.#file) {
      begin();
      return;
    }
    this.#near = new IntersectionObserver(
      (entries) => {
        if (!entries.some((each) => each.isIntersecting)) return;
        this.#near.disconnect();
        begin();
      },
      { rootMargin: "400px" },
    );
    this.#near.observe(this);
  }

  // What the attributes ask for

  get #texts() {
    return { ...(TEXTS[this.#locale.split("-")[0]] ?? TEXTS.en), ...this.texts };
  }

  get #locale() {
    const named = this.getAttribute("locale");
    const found = named || this.closest("[lang]")?.lang || document.documentElement.lang || "en";
    try {
      const [locale] = Intl.getCanonicalLocales(found);
      const known = TEXTS[locale.split("-")[0]] || Object.keys(this.texts).length;
      const place = `${named ? "locale" : "lang"}="${found}"`;
      if (!known) this.#warn(`${place}: has English texts. Set the property texts, then call refresh().`);
      return locale;
    } catch {
      if (named) this.#warn(`locale="${named}": not a locale, such as de-AT. en is used.`);
      return "en";
    }
  }

  get #service() {
    const given = this.getAttribute("service");
    const address = given === null ? HERE : safe(given);
    if (!address) throw new Failure(`service="${given}": not an http(s) address. Correct it.`);
    return address.endsWith("/") ? address : `${address}/`;
  }

  get #isLook() {
    return this.hasAttribute("look");
  }

  get #k() {
    const given = this.getAttribute("k");
    if (given === null) return null; // the service's default, or that of an experiment's arm
    if (/^\d+$/.test(given) && given >= 1 && given <= 100) return Number(given);
    this.#warn(`k="${given}": must be a whole number from 1 to 100. The service's default is used.`);
    return null;
  }

  get #categories() {
    return (this.getAttribute("categories") ?? "")
      .split(";")
      .map((each) => each.trim())
      .filter(Boolean);
  }

  get #hasTabs() {
    return !this.#isLook && this.#categories.length !== 1;
  }

  get #headers() {
    const key = this.getAttribute("key");
    return key ? { Authorization: `Bearer ${key}` } : {};
  }

  /** The body of the call; null without a product or a photo. */
  #asked() {
    const [product, photo, sample] = ["product", "photo", "sample"].map((each) => this.getAttribute(each));
    const given = [product, photo, sample].filter(Boolean);
    if (given.length > 1) this.#warn("product, photo and sample exclude each other. Set one of them.");
    const body = { limit_categories: this.#isLook ? 8 : MOST_TABS };
    const k = this.#isLook ? 1 : this.#k;
    if (k) body.k = k;
    if (this.#categories.length) body.category = this.#categories;
    for (const name of ["where", "session"])
      if (this.getAttribute(name)) body[name] = this.getAttribute(name);
    if (this.#isLook) body.look = true;
    if (this.#file) return { ...body, file: this.#file };
    if (product) return { ...body, product };
    if (photo) return { ...body, url: new URL(photo, document.baseURI).href };
    return sample ? { ...body, sample } : null;
  }

  // The call

  async #load(asked) {
    const call = (this.#call = new AbortController());
    const late = setTimeout(
      () => call.abort(new Failure(`no answer in ${SECONDS} s. Try again.`, "busy")),
      1000 * SECONDS,
    );
    this.#state("loading");
    this.#say(this.#texts.working);
    try {
      const [answer, names] = await Promise.all([this.#fetched(asked, call.signal), this.#learned(call.signal)]);
      this.#short = names;
      if (call !== this.#call || call.signal.aborted) return;
      this.#show(answer);
    } catch (error) {
      const why = call.signal.aborted ? call.signal.reason : error;
      if (call === this.#call && why?.name !== "AbortError") this.#fail(why);
    } finally {
      clearTimeout(late);
    }
  }

  /** The short names of categories in the language. Without them, the last level of a path is the name. */
  async #learned(signal) {
    try {
      const response = await fetch(`${this.#service}widget-names.json`, { signal });
      return (await response.json())[this.#locale.split("-")[0]] ?? {};
    } catch {
      return {};
    }
  }

  async #fetched({ file, ...body }, signal) {
    const options = { method: "POST", headers: this.#headers, signal };
    if (file) {
      options.body = new FormData();
      options.body.append("photo", file, "photo");
      for (const [name, value] of Object.entries(body))
        for (const each of [value].flat()) options.body.append(name, String(each));
    } else {
      options.headers = { ...options.headers, "Content-Type": "application/json" };
      options.body = JSON.stringify(body);
    }
    const service = this.#service;
    let response;
    try {
      response = await fetch(`${service}v1/complete`, options);
    } catch (error) {
      if (signal.aborted) throw error;
      const remedy = `Check its address, its --allow-origin ${location.origin}, and connect-src of this page.`;
      throw new Failure(`${service} cannot be reached. ${remedy}`);
    }
    const answer = await response.json().catch(() => null);
    if (response.ok && Array.isArray(answer?.categories)) return answer;
    throw this.#refusal(response.status, answer?.error);
  }

  #refusal(status, error) {
    const said = error?.message ?? `the service answered ${status}. See its log.`;
    if (status === 401 || status === 403) {
      const remedy = "Make one with `perfectlook keys new NAME --public`, and set the attribute key.";
      return new Failure(`${said} ${remedy}`);
    }
    if (status === 429 || status === 503) return new Failure(said, "busy");
    const ofPhoto = ["bad_picture", "not_a_picture", "too_large"].includes(error?.code);
    return new Failure(said, ofPhoto ? "unreadable" : "empty");
  }

  // What is drawn

  #state(name) {
    this.dataset.state = name;
  }

  #say(text) {
    if (this.#said) this.#said.textContent = text;
  }

  #warn(message) {
    if (this.#warned.has(message)) return; // once, not at every change of an attribute
    this.#warned.add(message);
    console.warn(`<perfect-look>: ${message}`);
  }

  /** Draw the heading and bones of the same size as the answer, so that nothing moves when it comes. */
  #frame() {
    const texts = this.#texts;
    const heading = this.getAttribute("heading") ?? (this.#isLook ? texts.look : texts.heading);
    const move = (name, by) =>
      make(
        "button",
        {
          type: "button",
          tabindex: -1,
          title: texts[name],
          "aria-hidden": "true",
          click: () => this.#move(by),
        },
        icon(by < 0 ? "left" : "right"),
      );
    this.#said = make("p", { class: "unseen", role: "status" });
    this.#box = make("div", { part: "products" });
    const moves = make("div", { class: "moves" }, move("back", -1), move("next", 1));
    const level = heading ? make("h2", { part: "heading", id: "heading" }, heading) : make("span");
    const section = make(
      "section",
      heading ? { "aria-labelledby": "heading" } : { "aria-label": texts.heading },
      make("header", {}, level, moves),
      this.hasAttribute("upload") && this.#upload(),
      this.#box,
      this.#said,
    );
    this.#root.replaceChildren(section);
    for (const each of moves.children) each.disabled = true;
    this.#chosen = 0;
    if (this.#asked()) this.#bones();
    this.#state("waiting");
  }

  #bones() {
    const bone = () =>
      make(
        "li",
        { class: "card bone" },
        make("div", { class: "picture" }),
        make("div", { class: "title" }, make("i"), make("i")),
        make("div", { class: "money" }, make("i")),
        make("div", { class: "brand" }),
      );
    const few = Array.from({ length: Math.min((!this.#isLook && this.#k) || 8, 8) }, bone);
    const strip = make("ul", { class: "strip", "aria-hidden": "true" }, ...few);
    const tabs =
      this.#hasTabs && make("div", { class: "tabs", "aria-hidden": "true" }, make("i"), make("i"), make("i"));
    this.#box.replaceChildren(
      ...[tabs, strip, this.#isLook && make("div", { class: "total" })].filter(Boolean),
    );
  }

  #show(answer) {
    const look = this.#isLook ? (answer.look ?? { slots: [] }) : null;
    const sections = look
      ? [{ products: look.slots.map(({ product, category, quantity }) => ({ ...product, category, quantity })) }]
      : answer.categories
          .slice(0, this.#categories.length || MOST_TABS)
          .filter((each) => each.products.length);
    const products = sections.flatMap((section) =>
      section.products.map((each) => ({
        ...each,
        category: each.category ?? section.category,
        quantity: each.quantity ?? 1,
        request: answer.request_id,
      })),
    );
    if (!products.length) {
      const note = answer.notes?.length ? answer.notes.join(" ") : "Check categories and where.";
      this.#fail(new Failure(`no product was found. ${note}`));
      return;
    }
    this.#answer = { products, shown: new Set(), look };
    this.#strip = make("ul", {
      class: "strip",
      part: "strip",
      keydown: (event) => this.#arrow(event),
      scroll: () => this.#moves(),
    });
    const panel = make("div", {}, this.#strip);
    const parts = [panel];
    if (this.#hasTabs) parts.unshift(this.#tabs(sections, panel));
    if (look) parts.push(this.#total(look));
    this.#box.replaceChildren(...parts);
    this.#fill(products.filter((each) => look || each.category === sections[0].category));
    this.#state("ready");
    this.#say(this.#texts.found(products.length));
  }

  #name(category) {
    return this.names[category] ?? this.#short[category] ?? category.split("|").pop();
  }

  #tabs(sections, panel) {
    Object.entries({ role: "tabpanel", id: "panel", "aria-labelledby": "tab0" }).forEach(([name, value]) =>
      panel.setAttribute(name, value),
    );
    const choose = (index) => {
      [...list.children].forEach((each, place) => {
        each.setAttribute("aria-selected", String(place === index));
        each.tabIndex = place === index ? 0 : -1;
      });
      panel.setAttribute("aria-labelledby", `tab${index}`);
      list.children[index].scrollIntoView({ block: "nearest", inline: "nearest" });
      if (this.#chosen !== index) {
        this.#chosen = index;
        this.#fill(this.#answer.products.filter((each) => each.category === sections[index].category));
      }
    };
    const list = make(
      "div",
      {
        class: "tabs",
        role: "tablist",
        "aria-label": this.#texts.categories,
        keydown: (event) => {
          const place = stepped(event, this.#chosen, list.children.length);
          if (place === null) return;
          choose(place);
          list.children[place].focus();
        },
      },
      ...sections.map((each, index) =>
        make(
          "button",
          {
            type: "button",
            role: "tab",
            id: `tab${index}`,
            part: "tab",
            "aria-controls": "panel",
            "aria-selected": String(!index),
            tabindex: index ? -1 : 0,
            click: () => choose(index),
          },
          this.#name(each.category),
        ),
      ),
    );
    return list;
  }

  #fill(products) {
    this.#seen?.disconnect();
    this.#seen = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          if (!isIntersecting) continue;
          this.#seen.unobserve(target);
          const product = this.#answer.products.find((each) => each.id === target.dataset.id);
          if (!product || this.#answer.shown.has(product.id)) continue;
          this.#answer.shown.add(product.id);
          this.#tell("shown", product);
        }
      },
      { threshold: 0.5 },
    );
    const cards = products.map((each, index) => this.#card(each, index));
    this.#strip.replaceChildren(...cards);
    this.#strip.scrollLeft = 0;
    for (const each of cards) this.#seen.observe(each);
    requestAnimationFrame(() => this.#moves());
  }

  #card(product, index) {
    const title = product.title || product.id;
    const address = product.link && safe(product.link, this.#service);
    const price = this.#money(product.sale_price || product.price);
    const was = product.sale_price && product.price !== product.sale_price ? this.#money(product.price) : "";
    const label =
      this.#isLook && make("span", { class: "label", part: "label" }, this.#name(product.category));
    const picture = make("span", { class: "picture", part: "picture" }, this.#picture(product), label);
    const old = was && make("s", {}, make("span", { class: "unseen" }, `${this.#texts.before} `), was);
    const content = [
      picture,
      make("span", { class: "title", part: "title" }, title),
      make("span", { class: "money", part: "price" }, price && make("span", {}, counted(product, price)), old),
      make("span", { class: "brand", part: "brand" }, product.brand ?? ""),
    ];
    const open = (event) => {
      if (event.type === "auxclick" && event.button !== 1) return;
      if (!this.#tell("clicked", product)) event.preventDefault();
      flush(); // the page may be left now
    };
    const listeners = { click: open, auxclick: open, tabindex: index ? -1 : 0, part: "link", class: "link" };
    const link = address
      ? make("a", { href: address, ...listeners }, ...content)
      : make("button", { type: "button", ...listeners }, ...content);
    const card = make("li", { class: "card", part: "card", "data-id": product.id }, link);
    const isIn = this.#added.has(product.id);
    if (this.hasAttribute("basket"))
      card.append(
        make(
          "button",
          {
            type: "button",
            class: isIn ? "add in" : "add",
            part: "add",
            "aria-label": this.#texts[isIn ? "added" : "basket"](counted(product)),
            tabindex: index ? -1 : 0,
            click: () => this.#add([product]),
          },
          icon("plus"),
          icon("tick"),
        ),
      );
    return card;
  }

  /** The picture at the shop's own address, otherwise from the service. With a key it is fetched by script. */
  #picture(product) {
    const own = product.image_link && safe(product.image_link);
    const ours = `${this.#service}${product.picture.replace(/^\//, "")}?size=${PICTURE}`;
    const sized = { width: PICTURE, height: PICTURE, alt: "", loading: "lazy", decoding: "async" };
    const drawn = () => {
      const canvas = make("canvas", { "aria-hidden": "true", width: PICTURE, height: PICTURE });
      fetch(ours, { headers: this.#headers })
        .then((response) => (response.ok ? response.blob() : Promise.reject(new Error())))
        .then(createImageBitmap)
        .then((bitmap) => paint(canvas, bitmap, PICTURE))
        .catch(() => canvas.remove());
      return canvas;
    };
    if (!own && this.#headers.Authorization) return drawn();
    const image = make("img", { ...sized, src: own || ours });
    image.addEventListener("error", () => {
      if (image.src === ours) image.remove();
      else if (this.#headers.Authorization) image.replaceWith(drawn());
      else image.src = ours;
    });
    return image;
  }

  #money(text) {
    const [, amount, currency] = /^\s*(\d+(?:\.\d+)?)\s*([A-Z]{3})\s*$/.exec(text ?? "") ?? [];
    if (!amount) return text ?? "";
    try {
      return new Intl.NumberFormat(this.#locale, { style: "currency", currency }).format(Number(amount));
    } catch {
      return text;
    }
  }

  #total(look) {
    const { products } = this.#answer;
    return make(
      "div",
      { class: "total", part: "total" },
      make(
        "span",
        {},
        look.price ? `${this.#texts.total} ` : "",
        look.price && make("strong", {}, this.#money(look.price)),
      ),
      this.hasAttribute("basket") &&
        make(
          "button",
          { type: "button", class: "all", part: "all", click: () => this.#add(products) },
          this.#texts.all,
        ),
    );
  }

  #fail(error) {
    const failure = error instanceof Failure ? error : new Failure(`${error}. Please report it.`);
    this.#warn(failure.message);
    const text = this.#texts[failure.text];
    // Content below does not move while the shopper sees it.
    const { top, bottom, height } = this.#box.getBoundingClientRect();
    if (bottom > 0 && top < innerHeight) this.#box.style.minHeight = `${height}px`;
    for (const each of this.#root.querySelectorAll(".moves button")) each.disabled = true;
    this.#box.replaceChildren(make("p", { class: "empty", part: "empty" }, text));
    this.#state("empty");
    this.#say(text);
  }

  // The photo of a shopper

  #upload() {
    const texts = this.#texts;
    const input = make("input", {
      class: "unseen",
      type: "file",
      accept: "image/*,.heic,.heif",
      change: () => input.files[0] && this.#take(input.files[0]),
    });
    const label = make(
      "label",
      {
        class: "drop",
        part: "upload",
        dragover: (event) => {
          event.preventDefault();
          label.classList.add("over");
        },
        dragleave: () => label.classList.remove("over"),
        drop: (event) => {
          event.preventDefault();
          label.classList.remove("over");
          if (event.dataTransfer.files[0]) this.#take(event.dataTransfer.files[0]);
        },
      },
      this.#file?.preview ?? icon("photo"),
      make(
        "span",
        {},
        make("strong", {}, this.#file ? texts.change : texts.add),
        make("small", {}, texts.privacy),
      ),
      input,
    );
    return label;
  }

  /** Take a shopper's photo, reduced to what the model needs. */
  async #take(file) {
    let taken = file;
    try {
      const bitmap = await createImageBitmap(file);
      const canvas = paint(make("canvas"), bitmap, SIDE);
      const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
      taken = blob ?? file;
      taken.preview = canvas;
    } catch {
      // The browser cannot show this format, HEIC for example. The service may.
    }
    this.#file = taken;
    this.#start();
    this.#root.querySelector("input").focus({ preventScroll: true });
  }

  // Moving

  #move(by) {
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
    this.#strip?.scrollBy({ left: by * this.#strip.clientWidth * 0.85, behavior });
  }

  #moves() {
    const [left, right] = this.#root.querySelectorAll(".moves button");
    if (!this.#strip || !left) return;
    const { scrollLeft, scrollWidth, clientWidth } = this.#strip;
    left.disabled = scrollLeft < 4;
    right.disabled = scrollLeft + clientWidth > scrollWidth - 4;
  }

  #arrow(event) {
    const cards = [...this.#strip.children];
    const now = cards.indexOf(event.target.closest(".card"));
    const place = stepped(event, now, cards.length);
    if (place === null) return;
    const isAdd = event.target.classList.contains("add");
    cards.forEach((card, index) =>
      [...card.children].forEach((each) => {
        each.tabIndex = index === place ? 0 : -1;
      }),
    );
    cards[place].children[isAdd ? 1 : 0].focus();
  }

  // Events

  #add(products) {
    for (const each of products) if (this.#tell("added", each)) this.#mark(each);
  }

  #mark(product) {
    this.#added.add(product.id);
    const card = [...this.#strip.children].find((one) => one.dataset.id === product.id);
    const button = card?.querySelector(".add");
    button?.classList.add("in");
    button?.setAttribute("aria-label", this.#texts.added(counted(product)));
  }

  /**
   * Hand an event to the page and to the service. False if the page prevents the default: then nothing was added,
   * but a click was a click.
   */
  #tell(event, product) {
    const { request, ...rest } = product;
    const link = rest.link ? safe(rest.link, this.#service) : null;
    const detail = { event, request_id: request, product: { ...rest, link } };
    const allowed = this.dispatchEvent(
      new CustomEvent(event, { bubbles: true, composed: true, cancelable: true, detail }),
    );
    if (allowed || event !== "added") this.#note(event, product);
    return allowed;
  }

  #note(name, { request, id, category, rank }) {
    if (!request || this.getAttribute("feedback") === "off") return;
    const event = { product: id, category, rank, event: name };
    const service = this.#service;
    const headers = { ...this.#headers, "Content-Type": "application/json" };
    const session = this.getAttribute("session") || undefined;
    const place = [service, headers.Authorization, session, request].join(" ");
    if (!waiting.has(place)) {
      const send = (events) =>
        fetch(`${service}v1/feedback`, {
          method: "POST",
          headers,
          keepalive: true,
          body: JSON.stringify({ request_id: request, session, events }),
        }).then(
          async (response) => {
            if (response.ok) return;
            const answer = await response.json().catch(() => null);
            this.#warn(`feedback is not stored. ${this.#refusal(response.status, answer?.error).message}`);
          },
          () => this.#warn(`feedback is not stored: ${service} cannot be reached.`),
        );
      waiting.set(place, { send, events: [] });
    }
    const { events } = waiting.get(place);
    events.push(event);
    if (events.length >= BATCH) flush();
    else timer ||= setTimeout(flush, SOON);
  }
}

/** Draw a picture into a canvas, at most `side` pixels wide and high. */
function paint(canvas, bitmap, side) {
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}

/** Where an arrow key, Home or End leads in a row of `count`; null for other keys. */
function stepped(event, now, count) {
  const steps = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: count - 1 };
  if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return null;
  event.preventDefault();
  return Math.max(0, Math.min(count - 1, steps[event.key]));
}

if (!customElements.get("perfect-look")) customElements.define("perfect-look", PerfectLook);
