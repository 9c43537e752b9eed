// What the tools of the playground share: a file goes to the HTTP interface, words say how it went.

import { onFiles } from "./drop.js";
import { call } from "./wire.js";

export async function send(path, query, file, headers = {}) {
  const form = new FormData();
  form.append("file", file, file.name);
  return call(`${path}?${new URLSearchParams(query)}`, { method: "POST", body: form, headers });
}

export const ask = async (path, query, file) => (await send(path, query, file)).json();

// Binds the tool in `section`: each file, and each change of what bears `data-ask`, asks `answer(file, way)` again. It
// gives a function that shows what was found and returns words. `way.say` tells how far it is; `way.current` is false
// once something else was asked. Gives a function that asks again.
export function tool(section, answer) {
  const input = section.querySelector("input[type=file]");
  if (!input) return () => {};
  const [told, place] = [section.querySelector(".told"), section.querySelector(".answer")];
  let last = null;
  let turn = 0;
  const run = async (file) => {
    last = file;
    turn += 1;
    const mine = turn;
    const current = () => mine === turn;
    const say = (words) => {
      if (current()) told.textContent = words;
    };
    told.className = "told";
    say(`Looking at ${file.name} ...`);
    try {
      const show = await answer(file, { say, current });
      if (!current()) return;
      place.hidden = false;
      say(show());
    } catch (error) {
      if (!current()) return;
      told.className = "told alert";
      say(error.message);
      place.hidden = true;
    }
  };
  const again = () => last && run(last);
  onFiles(input, ([file]) => run(file));
  for (const choice of section.querySelectorAll("[data-ask]")) choice.addEventListener("change", again);
  return again;
}
