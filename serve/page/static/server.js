// Talking to the server this page came from, and to nobody else.

import { words } from "./dom.js";

let csrf = "";

export class Failure extends Error {
  constructor(status, detail, errors = []) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }
}

export function useToken(token) {
  csrf = token;
}

async function send(method, path, body, headers = {}) {
  let reply;
  try {
    reply = await fetch(path, {
      method,
      body,
      headers: { ...headers, ...(csrf ? { "X-CSRF-Token": csrf } : {}) },
      credentials: "same-origin",
    });
  } catch {
    throw new Failure(0, words.failed);
  }
  const isJson = (reply.headers.get("Content-Type") ?? "").includes("json");
  const content = isJson ? await reply.json() : null;
  if (reply.ok) return content;
  if (reply.status === 401) document.dispatchEvent(new CustomEvent("alliance:logged-out"));
  throw new Failure(reply.status, content?.detail ?? words.failed, content?.errors ?? []);
}

export const get = (path) => send("GET", path);
export const post = (path, value) =>
  send("POST", path, JSON.stringify(value), { "Content-Type": "application/json" });
export const put = (path, value) =>
  send("PUT", path, JSON.stringify(value), { "Content-Type": "application/json" });
export const postForm = (path, form) => send("POST", path, form);
