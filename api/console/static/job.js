// The page of a job: events come by themselves, figures and log are asked for when something happened.

import { showCurves } from "./chart.js";
import { figure, make, span } from "./make.js";
import { call, page } from "./wire.js";
import { showTimeline, windowsOf } from "./timeline.js";
import { localTimes } from "./times.js";

const job = document.querySelector("#job");
const path = `/jobs/${encodeURIComponent(job.dataset.id)}`;
const find = (selector) => document.querySelector(selector);
const charts = find("#charts");
const KINDS = ["queued", "claimed", "phase", "left_out", "handed_back", "out_of_memory", "retried", "cancelling", "pausing", "paused", "resumed", "succeeded", "failed", "cancelled"];

function curves(rows) {
  if (!charts) return;
  const chance = Number.parseFloat(charts.dataset.chance);
  showCurves(rows, charts, find("#table"), Number.isFinite(chance) ? chance : undefined);
}

let asking = false;

async function lookAgain() {
  if (asking) return;
  asking = true;
  try {
    if (charts) curves(await (await call(`${path}/metrics`)).json());
    const log = find("#log");
    const follows = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    log.textContent = await (await call(`${path}/logs?tail=200`)).text();
    if (follows) log.scrollTop = log.scrollHeight;
  } catch {
    // the next event tries again
  }
  asking = false;
}

function showProgress({ phase, step, total, eta_s: eta }) {
  if (phase) find("#phase").textContent = phase;
  if (step === undefined) return;
  const bar = find("#bar");
  bar.max = total || 1;
  bar.value = total ? Math.min(step, total) : 0;
  const left = eta === null || eta === undefined ? "" : `, ${span(eta)} left`;
  find("#progress").textContent = `${step} of ${total || "an unknown number"}${left}`;
}

function addEvent(event) {
  const time = make("time", { datetime: event.at }, event.at);
  const told = Object.entries(event.data)
    .filter(([, value]) => value !== null && typeof value !== "object")
    .map(([name, value]) => `${name} ${figure(value)}`);
  const row = make("li", { class: "row" }, make("div", {}, time), make("div", { class: "grow" }, make("b", {}, event.kind), " ", make("span", { class: "faint" }, told.join(", "))));
  localTimes(row);
  find("#event-list").append(row);
}

// What a page that is loaded anew would show differently: its status, what can be asked, what it made.
const REDRAWN = new Set(["claimed", "handed_back", "paused", "pausing", "cancelling", "resumed", "retried", "succeeded", "failed", "cancelled"]);

function follow() {
  let last = Number(job.dataset.last);
  const events = new EventSource(`/console/jobs/${encodeURIComponent(job.dataset.id)}/events?after=${last}`);
  const take = (message) => {
    const event = JSON.parse(message.data);
    if (event.id <= last) return;
    last = event.id;
    if (event.kind === "progress") {
      showProgress(event.data);
      lookAgain();
      return;
    }
    addEvent(event);
    if (event.kind === "phase") showProgress({ phase: event.data.phase });
    if (REDRAWN.has(event.kind)) redraw();
  };
  for (const kind of [...KINDS, "progress"]) events.addEventListener(kind, take);
  events.addEventListener("done", async () => {
    events.close();
    await redraw();
    await lookAgain();
  });
}

async function redraw() {
  const fresh = await page(location.pathname);
  localTimes(fresh);
  for (const id of ["status", "rest", "results", "files"]) find(`#${id}`).replaceChildren(...fresh.querySelector(`#${id}`).childNodes);
  timelines();
}

function timelines() {
  for (const place of job.querySelectorAll(".timeline")) {
    windowsOf(job.dataset.id, place.dataset.video).then(
      (windows) => showTimeline(windows, place),
      (error) => place.replaceChildren(make("p", { class: "alert" }, error.message)),
    );
  }
}

timelines();
if (charts) curves(JSON.parse(charts.dataset.rows));
find("#log").scrollTop = find("#log").scrollHeight;
if (job.dataset.done !== "yes") follow();
