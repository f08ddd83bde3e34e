// The texts of the page's language, `<html lang>`. Each language is one file of the folder `locale`.

const language = await import(`./locale/${document.documentElement.lang}.js`);

/** The texts by part of the page. Those with values in them are functions. */
export const texts = language.texts;

/** How the language writes counts, shares and amounts of money. */
export const numbers = language.numbers;

const TEXT = "text";

/** Write the texts that elements name: `data-text="start.lead"`, and `data-text-title="..."` for attributes. */
export function fill(root) {
  for (const element of root.querySelectorAll("*")) {
    for (const [name, key] of Object.entries(element.dataset)) {
      if (!name.startsWith(TEXT)) continue;
      const [part, text] = key.split(".");
      const attribute = name.slice(TEXT.length).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      if (attribute) element.setAttribute(attribute.slice(1), texts[part][text]);
      else element.textContent = texts[part][text];
    }
  }
}
