// A picture becomes a skeleton, and a heatmap a joint.

import { figure, make, table } from "./make.js";
import { ask, tool } from "./tool.js";

const LEFT = "rgb(70, 150, 255)";
const RIGHT = "rgb(255, 120, 60)";
const MIDDLE = "rgb(80, 210, 110)";
const colourOf = (joint) => (joint.startsWith("left_") ? LEFT : joint.startsWith("right_") ? RIGHT : MIDDLE);

// The heatmap of one joint, or the highest of all, as a picture of its cells: transparent where there is no joint.
function heat(values, shape) {
  const [, rows, columns] = shape;
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

function paint(canvas, picture, pose, limbs, chosen) {
  canvas.width = pose.width_px;
  canvas.height = pose.height_px;
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0, pose.width_px, pose.height_px);
  const { values, shape, cells_to_image: affine, joints } = pose.heatmaps;
  const maps = chosen === "" ? values : chosen === "-" ? [] : [values[joints.indexOf(chosen)]];
  if (maps.length) {
    const [[a, c, e], [b, d, f]] = affine;
    context.setTransform(a, b, c, d, e, f); // cells to px of the picture
    context.drawImage(heat(maps, shape), -0.5, -0.5);
    context.resetTransform();
  }
  skeleton(context, pose, limbs);
}

function skeleton(context, pose, limbs) {
  const unit = Math.max(1, Math.max(pose.width_px, pose.height_px) / 300);
  const at = new Map(pose.keypoints.map((point) => [point.joint, point]));
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
  for (const point of pose.keypoints) {
    context.beginPath();
    context.arc(point.x_px, point.y_px, 4 * unit, 0, 2 * Math.PI);
    context.fillStyle = point.visible === false ? "rgba(255, 255, 255, 0.3)" : colourOf(point.joint);
    context.fill();
    context.lineWidth = 1.2 * unit;
    context.strokeStyle = "white";
    context.stroke();
  }
}

function swatches(place, joints, choose) {
  const options = [["", "all joints"], ["-", "none"], ...joints.map((joint) => [joint, joint.replaceAll("_", " ")])];
  place.replaceChildren(
    ...options.map(([value, words], index) => {
      const input = make("input", { type: "radio", name: "heatmap", value });
      input.checked = index === 0;
      input.addEventListener("change", () => choose(value));
      return make("label", { class: "swatch" }, input, words);
    }),
  );
}

export function bindPose(section) {
  tool(section, async (file, choice) => {
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    const pose = await ask("/predict/pose", { model: choice.value, heatmaps: "true", format: "json" }, file);
    return () => {
      const limbs = JSON.parse(choice.selectedOptions[0].dataset.limbs);
      const canvas = section.querySelector("canvas");
      paint(canvas, picture, pose, limbs, "");
      swatches(section.querySelector("#pose-joints"), pose.joints, (joint) => paint(canvas, picture, pose, limbs, joint));
      const rows = pose.keypoints.map((point) => [point.joint, figure(point.x_px), figure(point.y_px), figure(point.score)]);
      section.querySelector("#pose-table").replaceChildren(table(`Joints by ${pose.model}`, ["joint", "x px", "y px", "score"], rows));
      return `${pose.model} found ${pose.keypoints.length} joints in ${file.name}.`;
    };
  });
}
