// Resumable uploads (tus 1.0): pieces, and after whatever cut them off, on from where the service says.

import { call, Refused } from "./wire.js";

const PIECE_BYTES = 2 ** 21;
const TRIES = 6;
const TUS = { "Tus-Resumable": "1.0.0" };

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Whether trying again may help: no network, too much to do just now, or another piece still on its way.
const passing = (error) => !(error instanceof Refused) || [423, 429, 503].includes(error.status);

// Sends a file; `told(sent)` hears how many bytes are there. Gives the id of the video that it became.
export async function upload(file, told) {
  const metadata = `filename ${base64(file.name)}`;
  const begun = await call("/uploads", {
    method: "POST",
    headers: { ...TUS, "Upload-Length": String(file.size), "Upload-Metadata": metadata },
  });
  const location = begun.headers.get("Location");
  let offset = 0;
  let tries = 0;
  for (;;) {
    try {
      const answer = await call(location, {
        method: "PATCH",
        headers: { ...TUS, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" },
        body: file.slice(offset, offset + PIECE_BYTES),
      });
      offset = Number(answer.headers.get("Upload-Offset"));
      tries = 0;
      told(offset);
      if (offset >= file.size) return answer.headers.get("PFA-Video-Id");
    } catch (error) {
      tries += 1;
      if (!passing(error) || tries >= TRIES) throw error;
      await pause(250 * 2 ** tries);
      const found = await call(location, { method: "HEAD", headers: TUS });
      offset = Number(found.headers.get("Upload-Offset"));
      told(offset);
      if (offset >= file.size) return found.headers.get("PFA-Video-Id");
    }
  }
}
