// A field for files that also takes what is dropped on its frame.

export function onFiles(input, take) {
  const frame = input.closest("[data-drop]");
  const chosen = () => {
    const files = [...input.files];
    input.value = ""; // choosing the same file again is a choice too
    if (files.length) take(files);
  };
  input.addEventListener("change", chosen);
  frame.addEventListener("dragover", (event) => {
    event.preventDefault();
    frame.classList.add("over");
  });
  frame.addEventListener("dragleave", () => frame.classList.remove("over"));
  frame.addEventListener("drop", (event) => {
    event.preventDefault();
    frame.classList.remove("over");
    const files = [...event.dataTransfer.files];
    if (files.length) take(input.multiple ? files : files.slice(0, 1));
  });
  chosen(); // somebody was quicker than this script
}

// A file dropped beside a frame must not replace the page.
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
