// Calls to the HTTP interface: the browser sends the session's cookie, we send the page's token, which makes it count.

const meta = document.querySelector('meta[name="pfa-csrf"]');
export const token = meta ? meta.content : "";

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// The response of a call that worked. Throws Refused with the words of the problem document, TypeError without network.
export async function call(path, { method = "GET", headers = {}, body, signal } = {}) {
  const response = await fetch(path, {
    method,
    headers: { "X-PFA-CSRF": token, ...headers },
    body,
    signal,
    credentials: "same-origin",
  });
  if (response.ok) return response;
  let detail = `The service answered ${response.status}.`;
  try {
    const problem = await response.json();
    if (typeof problem.detail === "string") detail = problem.detail;
  } catch {
    // not a problem document: the status has to do
  }
  throw new Refused(detail, response.status);
}

// A page of ours as a document. Scripts in it do not run.
export function page(path) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", path);
    request.responseType = "document";
    request.onload = () => (request.status === 200 && request.response ? resolve(request.response) : reject(new Error(String(request.status))));
    request.onerror = () => reject(new Error("no network"));
    request.send();
  });
}
