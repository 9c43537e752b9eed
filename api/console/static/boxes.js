// Regions that somebody drags on a canvas; they stand in a text field too, for whoever rather types.

import { region } from "./skeleton.js";

const LEAST_PX = 8;

// Binds the canvas: while `active()`, each region that is dragged is added to `field`, then `added()` is told. `redraw`
// draws the canvas without the region that is being dragged.
export function bindBoxes(canvas, field, { active, redraw, added }) {
  let start = null;
  const at = (event) => {
    const scale = canvas.width / canvas.clientWidth;
    return [event.offsetX * scale, event.offsetY * scale].map((value, axis) => Math.min([canvas.width, canvas.height][axis], Math.max(0, value)));
  };
  const box = (event) => {
    const end = at(event);
    const corner = start.map((value, axis) => Math.min(value, end[axis]));
    return [...corner, ...start.map((value, axis) => Math.abs(value - end[axis]))].map(Math.round);
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (!active()) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    start = at(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!start) return;
    redraw();
    region(canvas, box(event), true);
  });
  canvas.addEventListener("pointercancel", () => {
    start = null;
    redraw();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!start) return;
    const found = box(event);
    start = null;
    if (Math.min(found[2], found[3]) < LEAST_PX) {
      redraw();
      return;
    }
    field.value = [...field.value.split(";").map((each) => each.trim()).filter(Boolean), found.join(",")].join("; ");
    added();
  });
}
