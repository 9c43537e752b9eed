// The list of jobs, kept up to date: rows change in place, new ones come on top.

import { localTimes } from "./times.js";
import { page } from "./wire.js";

const EVERY_MS = 2000;
const list = document.querySelector("#list[data-live]");

function merge(fresh) {
  let before = list.firstElementChild;
  const known = new Map([...list.children].map((row) => [row.dataset.key, row]));
  for (const row of [...fresh.children]) {
    const old = known.get(row.dataset.key);
    if (!old) {
      localTimes(row);
      list.insertBefore(document.adoptNode(row), before);
      continue;
    }
    const [now, then] = [row, old].map((each) => each.querySelector('[data-cell="status"]'));
    if (now.textContent !== then.textContent || now.querySelector("progress")?.value !== then.querySelector("progress")?.value) {
      then.replaceChildren(...now.childNodes);
    }
    before = old.nextElementSibling;
  }
}

async function look() {
  try {
    if (!document.hidden) merge((await page("/console/jobs")).querySelector("#list"));
  } catch {
    // the next look may find the service again
  }
  setTimeout(look, EVERY_MS);
}

if (list) setTimeout(look, EVERY_MS);
