// A clip becomes labels: second by second, by a job, or all of it at once.

import { make } from "./make.js";
import { percent, showTimeline, windowsOf } from "./timeline.js";
import { send, tool } from "./tool.js";
import { LATER, done, jobLink } from "./video_job.js";

const MOST = 8;

function bars(labels) {
  return labels.slice(0, MOST).map(({ label, probability }) =>
    make("li", {}, make("span", {}, label), make("meter", { min: "0", max: "1", value: String(probability), "aria-label": label }), make("span", { class: "number" }, percent(probability))),
  );
}

export function bindAction(section) {
  const [model, how] = [section.querySelector("#action-model"), section.querySelector("#action-how")];
  const [list, over] = [section.querySelector("#action-labels"), section.querySelector("#action-time")];
  const show = (labels, windows, words, ...more) => {
    list.replaceChildren(...bars(labels));
    showTimeline(windows, over);
    over.append(...more);
    const [best] = labels;
    return `${words.model}: ${best.label}, ${percent(best.probability)}; ${words.looked}`;
  };
  tool(section, async (file, way) => {
    const response = await send("/predict/action", { model: model.value }, file, how.value === "over-time" ? LATER : {});
    if (response.status !== 202) {
      const found = await response.json();
      return () => show(found.labels, [], { model: found.model, looked: `it looked at ${found.num_frames} frames of ${file.name}.` });
    }
    const job = await done(response, way);
    const [video] = job.result.videos;
    const windows = await windowsOf(job.id, video.video);
    const labels = video.labels.map(([label, probability]) => ({ label, probability }));
    const looked = `the mean of ${video.num_windows} windows of ${file.name}.`;
    return () => show(labels, windows, { model: job.result.model, looked }, make("p", {}, jobLink(job), "."));
  });
}
