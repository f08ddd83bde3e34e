// The tools above the products: the rows or the whole look.

import { h, replace } from "./element.js";
import { texts } from "./locale.js";
import { listen } from "./state.js";

/** Show the state in `host`, and follow its changes. */
export function mount(host, act) {
  const views = h("div", { class: "segments", role: "group", aria: { label: texts.tools.views } });
  host.append(views);
  listen(
    ({ view }) => [view],
    (view) => replace(views, ...segments(view, act)),
  );
}

const segments = (view, act) =>
  [
    ["rows", texts.tools.rows],
    ["look", texts.tools.look],
  ].map(([name, label]) =>
    h(
      "button",
      {
        type: "button",
        class: "segment",
        data: { key: `view ${name}` },
        aria: { pressed: String(view === name) },
        onclick: () => act.show(name),
      },
      label,
    ),
  );
