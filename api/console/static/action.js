// A clip becomes labels.

import { make } from "./make.js";
import { ask, tool } from "./tool.js";

const MOST = 8;
const percent = (probability) => `${(100 * probability).toFixed(1)} %`;

export function bindAction(section) {
  tool(section, async (file, choice) => {
    const found = await ask("/predict/action", { model: choice.value }, file);
    return () => {
      const rows = found.labels.slice(0, MOST).map(({ label, probability }) =>
        make("li", {}, make("span", {}, label), make("meter", { min: "0", max: "1", value: String(probability), "aria-label": label }), make("span", { class: "number" }, percent(probability))),
      );
      section.querySelector("#action-labels").replaceChildren(...rows);
      const [best] = found.labels;
      return `${found.model}: ${best.label}, ${percent(best.probability)}; it looked at ${found.num_frames} frames of ${file.name}.`;
    };
  });
}
