// The page of videos: uploads one after the other, each with its bar, then the list anew.

import "./confirm.js";
import { onFiles } from "./drop.js";
import { bytes, make } from "./make.js";
import { localTimes } from "./times.js";
import { upload } from "./upload.js";
import { page } from "./wire.js";

const uploads = document.querySelector("#uploads");
const told = document.querySelector("#told");
const list = document.querySelector("#list");
const input = document.querySelector("#files");
let queue = Promise.resolve();

async function refresh() {
  if (new URLSearchParams(location.search).has("cursor")) return;
  const fresh = (await page("/console/videos")).querySelector("#list");
  localTimes(fresh);
  list.replaceChildren(...fresh.childNodes);
}

function rowOf(file) {
  const bar = make("progress", { max: String(Math.max(1, file.size)), value: "0", "aria-label": `Upload of ${file.name}` });
  const words = make("span", { class: "faint" }, `waiting, ${bytes(file.size)}`);
  const row = make("li", { class: "row" }, make("div", { class: "grow" }, file.name), make("div", { class: "live" }, bar, words));
  uploads.append(row);
  return { row, bar, words };
}

async function send(file, { row, bar, words }) {
  words.textContent = "sending";
  try {
    await upload(file, (sent) => {
      bar.value = sent;
      words.textContent = sent < file.size ? `${bytes(sent)} of ${bytes(file.size)}` : "being looked at";
    });
    words.textContent = "here";
    told.textContent = `${file.name} is here.`;
    row.classList.add("done");
    await refresh();
  } catch (error) {
    words.textContent = error.message;
    row.classList.add("failed");
    told.textContent = `${file.name} was not kept: ${error.message}`;
  }
}

if (input) {
  onFiles(input, (files) => {
    for (const file of files) {
      const row = rowOf(file);
      queue = queue.then(() => send(file, row));
    }
  });
}
