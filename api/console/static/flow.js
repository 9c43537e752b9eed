// Stepping through a video's frames and their flow. The pictures of a step change together.

const viewer = document.querySelector("#flow");
const [base, last] = [viewer.dataset.base, Number(viewer.dataset.last)];
const slider = viewer.querySelector("#at");
const play = viewer.querySelector("#play");
const [frame, flow] = [viewer.querySelector("#frame-picture"), viewer.querySelector("#flow-picture")];
const EVERY_MS = 120;
let turn = 0;
let playing = false;

async function loaded(path) {
  const image = new Image();
  image.src = path;
  await image.decode();
  return image.src;
}

async function show(index) {
  slider.value = index;
  turn += 1;
  const mine = turn;
  const [left, right] = await Promise.all([loaded(`${base}/${index}/frame.jpg`), loaded(`${base}/${index}/flow.png`)]);
  if (mine !== turn) return;
  [frame.src, flow.src] = [left, right];
  frame.alt = `Frame ${index}`;
  flow.alt = `Flow from frame ${index} to the next`;
  viewer.querySelector(".number").textContent = String(index);
}

const go = (by) => show(Math.min(last, Math.max(0, Number(slider.value) + by)));

async function run() {
  while (playing) {
    const next = Number(slider.value) >= last ? 0 : Number(slider.value) + 1;
    await Promise.all([show(next), new Promise((resolve) => setTimeout(resolve, EVERY_MS))]);
  }
}

function setPlaying(on) {
  playing = on;
  play.setAttribute("aria-pressed", String(on));
  play.textContent = on ? "Stop" : "Play";
}

slider.addEventListener("input", () => show(Number(slider.value)));
viewer.querySelector("#back").addEventListener("click", () => go(-1));
viewer.querySelector("#on").addEventListener("click", () => go(1));
play.addEventListener("click", () => {
  setPlaying(!playing);
  if (playing) run().catch(() => setPlaying(false));
});
