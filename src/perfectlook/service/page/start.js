// The start: take a scene from a file, the camera, the clipboard, the web or the samples.

import { h } from "./element.js";
import { texts } from "./locale.js";
import { pictureIn } from "./photo.js";
import { show } from "./picture.js";
import { listen } from "./state.js";

/** Handle the start, and dropping and pasting on the whole page. `act`: {open, openFile}. */
export function mount(act) {
  for (const id of ["file", "camera"]) {
    const input = document.getElementById(id);
    const take = () => {
      const [file] = input.files;
      input.value = "";
      if (file) act.openFile(file);
    };
    input.addEventListener("change", take);
    if (input.files.length) queueMicrotask(take); // chosen before this script ran
  }
  document.getElementById("by-url").addEventListener("submit", (event) => {
    event.preventDefault();
    const url = event.target.elements.url.value.trim();
    if (url) act.open({ kind: "url", url });
  });
  document.addEventListener("paste", (event) => {
    const file = pictureIn(event.clipboardData);
    if (file) act.openFile(file);
  });
  mountDrop(act);
  mountSamples(document.getElementById("samples"), act);
}

function mountDrop(act) {
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  const over = (shown) => document.body.classList.toggle("dragging", shown);
  addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    over(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget === null && over(false));
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    over(false);
    const file = pictureIn(event.dataTransfer);
    if (file) act.openFile(file);
  });
}

function mountSamples(host, act) {
  listen(
    ({ samples }) => [samples],
    (samples) => {
      host.parentElement.classList.toggle("unsure", samples === null);
      host.hidden = !samples?.length;
      if (host.hidden) return;
      host.replaceChildren(
        h("h2", {}, texts.start.samples),
        h(
          "ul",
          { role: "list" },
          samples.map((sample) =>
            h(
              "li",
              {},
              h(
                "button",
                {
                  type: "button",
                  class: "sample",
                  onclick: () => act.open({ kind: "sample", name: sample.name, title: sample.title }),
                },
                show(h("img", { alt: "", loading: "lazy" }), sample.picture),
                h("span", {}, sample.title ?? sample.name),
              ),
            ),
          ),
        ),
      );
    },
  );
}
