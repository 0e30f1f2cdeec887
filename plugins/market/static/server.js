/* server.js - requests to the server: JSON, or an error whose message is a sentence for people. */

const AWAY = "The server cannot be reached. Please try again in a moment.";

async function answer(response) {
  const text = await response.text();
  let data = null;
  try {
    data = text === "" ? null : JSON.parse(text);
  } catch {
    /* not JSON: told below, if it is an error */
  }
  if (!response.ok) {
    throw new Error(data?.detail ?? data?.message
      ?? (response.status >= 500 ? "The server is not well. Please try again in a moment."
        : `The server refused that (${response.status}).`));
  }
  return data;
}

async function call(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new Error(AWAY);
  }
  return answer(response);
}

export const get = (url) => call(url, { headers: { Accept: "application/json" } });

/* The header is what a page of another origin cannot send. */
export const post = (url, body) => call(url, {
  method: "POST",
  headers: { "Content-Type": "application/json", "X-Market": "1" },
  body: JSON.stringify(body),
});

export const remove = (url) => call(url, { method: "DELETE", headers: { "X-Market": "1" } });
