// A picture finds the nearest poses of a collection.

import { figure, make, span } from "./make.js";
import { ask, tool } from "./tool.js";

const MOST = 12;

function tile({ distance, name, time_s: time, thumbnail }) {
  const at = time === null ? "" : `, at ${span(time)}`;
  const words = make("p", { class: "faint" }, `distance ${figure(distance)}${at}`);
  const picture = thumbnail ? [make("img", { src: thumbnail, alt: `${name}${at}`, class: "whole" })] : [];
  return make("li", { class: "tile" }, ...picture, make("h3", {}, name), words);
}

export function bindNearest(section) {
  const choice = section.querySelector("select");
  tool(section, async (file) => {
    const found = await ask("/retrieve/pose", { collection: choice.value, k: String(MOST) }, file);
    return () => {
      section.querySelector("#neighbours").replaceChildren(...found.items.map(tile));
      return `The ${found.items.length} nearest poses in ${found.collection}, nearest first.`;
    };
  });
}
