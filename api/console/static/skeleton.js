// People on a picture: skeletons, regions, and the heatmaps of one of them.

import { make } from "./make.js";

const LEFT = "rgb(70, 150, 255)";
const RIGHT = "rgb(255, 120, 60)";
const MIDDLE = "rgb(80, 210, 110)";
const colourOf = (joint) => (joint.startsWith("left_") ? LEFT : joint.startsWith("right_") ? RIGHT : MIDDLE);
const unitOf = (canvas) => Math.max(1, Math.max(canvas.width, canvas.height) / 360);

// The highest of some heatmaps as a picture of their cells: transparent where there is no joint.
function heat(values, [, rows, columns]) {
  const canvas = make("canvas", { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const highest = Math.max(...values.map((map) => map[row][column]));
      const strength = Math.min(1, Math.max(0, highest));
      const at = 4 * (row * columns + column);
      image.data.set([255, Math.round(230 - 150 * strength), 40, Math.round(205 * strength)], at);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// The heatmap of `joint`, "" for all joints together, "-" for none.
function heatmaps(context, { values, shape, cells_to_image: affine, joints }, joint) {
  const maps = joint === "" ? values : joint === "-" ? [] : [values[joints.indexOf(joint)]];
  if (maps.length === 0) return;
  const [[a, c, e], [b, d, f]] = affine;
  context.setTransform(a, b, c, d, e, f); // cells to px of the picture
  context.drawImage(heat(maps, shape), -0.5, -0.5);
  context.resetTransform();
}

function skeleton(context, keypoints, limbs, unit) {
  const at = new Map(keypoints.map((point) => [point.joint, point]));
  context.lineCap = "round";
  for (const [start, end] of limbs) {
    for (const [width, colour] of [[4.5, "rgba(255, 255, 255, 0.75)"], [2.5, colourOf(end)]]) {
      context.lineWidth = width * unit;
      context.strokeStyle = colour;
      context.beginPath();
      context.moveTo(at.get(start).x_px, at.get(start).y_px);
      context.lineTo(at.get(end).x_px, at.get(end).y_px);
      context.stroke();
    }
  }
  for (const point of keypoints) {
    context.beginPath();
    context.arc(point.x_px, point.y_px, 4 * unit, 0, 2 * Math.PI);
    context.fillStyle = point.visible === false ? "rgba(255, 255, 255, 0.3)" : colourOf(point.joint);
    context.fill();
    context.lineWidth = 1.2 * unit;
    context.strokeStyle = "white";
    context.stroke();
  }
}

// A region, dashed unless it is the chosen one.
export function region(canvas, [x, y, width, height], chosen) {
  const [context, unit] = [canvas.getContext("2d"), unitOf(canvas)];
  for (const [line, colour] of [[3, "rgba(0, 0, 0, 0.6)"], [1.5, "white"]]) {
    context.setLineDash(chosen ? [] : [5 * unit, 4 * unit]);
    context.lineWidth = line * unit;
    context.strokeStyle = colour;
    context.strokeRect(x, y, width, height);
  }
  context.setLineDash([]);
}

export function paint(canvas, picture, people, limbs, { person, joint }) {
  [canvas.width, canvas.height] = [picture.width, picture.height];
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  if (people.length) heatmaps(context, people[person].heatmaps, joint);
  for (const [index, each] of people.entries()) {
    skeleton(context, each.keypoints, limbs, unitOf(canvas));
    if (each.box) region(canvas, each.box, index === person);
  }
}
