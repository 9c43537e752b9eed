// A picture becomes a skeleton a person, and a heatmap a joint; a video becomes a job, and that a video with skeletons.

import { bindBoxes } from "./boxes.js";
import { figure, make, table } from "./make.js";
import { paint } from "./skeleton.js";
import { ask, send, tool } from "./tool.js";
import { LATER, done, isVideo, overlay } from "./video_job.js";

// Radio buttons; `choose` hears the value of the one that is chosen. `options`: value and words.
function radios(place, name, options, choose) {
  place.replaceChildren(
    ...options.map(([value, words], index) => {
      const input = make("input", { type: "radio", name, value: String(value) });
      input.checked = index === 0;
      input.addEventListener("change", () => choose(value));
      return make("label", { class: "swatch" }, input, words);
    }),
  );
}

function jointTable({ keypoints }, caption) {
  const rows = keypoints.map((point) => [point.joint, figure(point.x_px), figure(point.y_px), figure(point.score)]);
  return table(caption, ["joint", "x px", "y px", "score"], rows);
}

const count = (number, words) => `${number} ${words}${number === 1 ? "" : "s"}`;

export function bindPose(section) {
  const find = (id) => section.querySelector(`#pose-${id}`);
  if (!find("model")) return;
  const [model, who, boxes, canvas] = [find("model"), find("who"), find("boxes"), find("canvas")];
  const shown = { picture: null, people: [], joint: "", person: 0, model: "", file: null };
  const limbs = () => JSON.parse(model.selectedOptions[0].dataset.limbs);
  const redraw = () => paint(canvas, shown.picture, shown.people, limbs(), shown);

  function showPerson(person) {
    shown.person = person;
    const name = shown.people.length > 1 ? `Joints of person ${person + 1} by ${shown.model}` : `Joints by ${shown.model}`;
    find("table").replaceChildren(jointTable(shown.people[person], name));
    redraw();
  }

  function showPicture(picture, pose) {
    Object.assign(shown, { picture, people: pose.people, model: pose.model, joint: "", person: 0 });
    find("still").hidden = false;
    find("video").replaceChildren();
    find("found").hidden = pose.people.length === 0;
    find("people").hidden = pose.people.length < 2;
    redraw();
    if (pose.people.length === 0) return;
    const options = pose.people.map((_, index) => [index, `person ${index + 1}`]);
    radios(find("people-choice"), "person", options, showPerson);
    const joints = [["", "all joints"], ["-", "none"], ...pose.joints.map((joint) => [joint, joint.replaceAll("_", " ")])];
    radios(find("joints"), "heatmap", joints, (joint) => {
      shown.joint = joint;
      redraw();
    });
    showPerson(0);
  }

  // Whom to look at, as the HTTP interface takes it; null: boxes are wanted, and there is none yet.
  function whom(file) {
    if (shown.file !== null && shown.file !== file) boxes.value = "";
    shown.file = file;
    if (who.value !== "boxes") return who.value === "hog" ? { detect: "hog" } : {};
    const typed = boxes.value.trim();
    return typed ? { box: typed.replaceAll(" ", "") } : null;
  }

  async function video(file, query, way) {
    const job = await done(await send("/predict/pose", query, file, LATER), way);
    const [entry] = job.result.videos;
    return () => {
      find("still").hidden = true;
      find("video").replaceChildren(...overlay(job, entry.overlay));
      return `${job.result.model} looked at ${count(entry.num_frames, "frame")} of ${file.name}.`;
    };
  }

  const again = tool(section, async (file, way) => {
    const region = whom(file);
    if (isVideo(file)) {
      if (region === null) throw new Error("Type the boxes of a video first: x,y,width,height in px, with ; between people.");
      return video(file, { model: model.value, ...region }, way);
    }
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    if (region === null) {
      return () => {
        showPicture(picture, { people: [], joints: [], model: "" });
        return "Drag a box around each person on the picture, or type them.";
      };
    }
    const pose = await ask("/predict/pose", { model: model.value, heatmaps: "true", format: "json", ...region }, file);
    return () => {
      showPicture(picture, pose);
      if (pose.people.length === 0) return `${pose.model}: nobody was found in ${file.name}. Try boxes: the search knows upright people only.`;
      const people = pose.people.length > 1 ? `${pose.people.length} people with ` : "";
      return `${pose.model} found ${people}${count(pose.joints.length, "joint")} in ${file.name}.`;
    };
  });

  const regions = () => {
    find("regions").hidden = who.value !== "boxes";
    canvas.classList.toggle("drawing", who.value === "boxes");
  };
  who.addEventListener("change", regions);
  regions();
  find("clear").addEventListener("click", () => {
    boxes.value = "";
    again();
  });
  bindBoxes(canvas, boxes, { active: () => who.value === "boxes", redraw, added: again });
}
