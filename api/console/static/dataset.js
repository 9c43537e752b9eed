// The forms of a new data set: all videos at once, and files sent to the HTTP interface.

import { call } from "./wire.js";

const every = document.querySelector("#every");
if (every) {
  every.addEventListener("change", () => {
    for (const box of document.querySelectorAll('#of-videos input[name="video"]')) box.checked = every.checked;
  });
}

const form = document.querySelector("#of-files");
const told = document.querySelector("#told");

function wanted() {
  const data = new FormData();
  for (const [name, value] of new FormData(form)) {
    const empty = typeof value === "string" ? value === "" : value.size === 0 && value.name === "";
    if (!empty) data.append(name, value);
  }
  return data;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  told.className = "";
  told.textContent = "Sending, then every file is looked at ...";
  try {
    const made = await (await call(form.dataset.post, { method: "POST", body: wanted() })).json();
    const notes = [...made.left_out.map((each) => `${each.file}: ${each.message}`), ...made.warnings];
    if (notes.length === 0) {
      location.assign(`/console/datasets/${encodeURIComponent(made.id)}`);
      return;
    }
    told.textContent = `${made.name} was made with ${made.num_items} items. ${notes.join(" ")}`;
  } catch (error) {
    told.className = "alert";
    told.textContent = error.message;
  }
  button.disabled = false;
});
