// What the three tools of the playground share: a file goes to the HTTP interface, words say how it went.

import { onFiles } from "./drop.js";
import { call } from "./wire.js";

export async function ask(path, query, file) {
  const form = new FormData();
  form.append("file", file, file.name);
  return (await call(`${path}?${new URLSearchParams(query)}`, { method: "POST", body: form })).json();
}

// Binds the tool in `section`: each file, and each other choice of its list, asks again.
export function tool(section, answer) {
  const input = section.querySelector("input[type=file]");
  if (!input) return;
  const [choice, told, place] = [section.querySelector("select"), section.querySelector(".told"), section.querySelector(".answer")];
  let last = null;
  let turn = 0;
  const run = async (file) => {
    last = file;
    turn += 1;
    const mine = turn;
    told.className = "told";
    told.textContent = `Looking at ${file.name} ...`;
    try {
      const show = await answer(file, choice);
      if (mine !== turn) return;
      place.hidden = false;
      told.textContent = show();
    } catch (error) {
      if (mine !== turn) return;
      told.className = "told alert";
      told.textContent = error.message;
      place.hidden = true;
    }
  };
  onFiles(input, ([file]) => run(file));
  choice.addEventListener("change", () => last && run(last));
}
