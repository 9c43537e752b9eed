// A video that is sent to a prediction becomes a job, which is looked after here until it is done.

import { make } from "./make.js";
import { call } from "./wire.js";

export const LATER = { Prefer: "respond-async" };
const EVERY_MS = 500;
const VIDEO = /\.(mp4|m4v|mov|mkv|webm|avi)$/i;

export const isVideo = (file) => file.type.startsWith("video/") || VIDEO.test(file.name);
export const pageOf = (job) => `/console/jobs/${encodeURIComponent(job.id)}`;
export const fileOf = (job, name) => `${pageOf(job)}/files/${encodeURIComponent(name)}`;

function far({ status, phase, progress }) {
  if (status !== "running" || !phase) return `The job is ${status} ...`;
  return progress.total ? `${phase}: ${progress.step} of ${progress.total} ...` : `${phase} ...`;
}

// The job that a 202 tells of, once it has succeeded. Throws what it failed of.
export async function done(response, { say, current }) {
  let job = await response.json();
  while (!job.done) {
    if (!current()) throw new Error("Something else was asked.");
    say(far(job));
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    job = await (await call(`/jobs/${encodeURIComponent(job.id)}`)).json();
  }
  if (job.status !== "succeeded") throw new Error(job.error ? job.error.message : `The job was ${job.status}.`);
  return job;
}

// A video with the skeletons drawn, and where the rest is.
export function overlay(job, name) {
  const video = make("video", { controls: "", muted: "", playsinline: "", src: fileOf(job, name), "aria-label": "The video with the skeletons drawn" });
  return [video, make("p", {}, make("a", { href: fileOf(job, name), download: name }, "Download this video"), ". ", jobLink(job))];
}

export const jobLink = (job) => make("a", { href: pageOf(job) }, "The job has all figures as files");
