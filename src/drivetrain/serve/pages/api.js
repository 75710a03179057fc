// The server that this page came from, and the key that it may ask for.

import { find } from "./dom.js";

/** Where the server's paths begin: a proxy may have put something before them. */
export const root = new URL(document.documentElement.dataset.root, location.href);
const KEPT = "drivetrain-key";

/** The server's no: what, where, and how to mend it. */
export class Refused extends Error {
  constructor(status, told) {
    super(typeof told?.error === "string" ? told.error : `The server answered ${status}.`);
    this.status = status;
    this.where = typeof told?.where === "string" ? told.where : "";
    this.fix = typeof told?.fix === "string" ? told.fix : "";
  }
}

export function key() {
  return sessionStorage.getItem(KEPT);
}

function signed(headers = {}) {
  return key() ? { ...headers, Authorization: `Bearer ${key()}` } : headers;
}

/** The reply to a request, not read yet. */
export async function ask(path, options = {}) {
  let reply;
  try {
    reply = await fetch(new URL(path, root), {
      cache: "no-store",
      redirect: "error",
      ...options,
      headers: signed(options.headers),
    });
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    throw new Refused(0, { error: "The server can't be reached.", fix: "Is it still running?" });
  }
  if (!reply.ok) throw new Refused(reply.status, await told(reply));
  return reply;
}

export async function get(path) {
  return (await ask(path, { headers: { Accept: "application/json" } })).json();
}

async function told(reply) {
  try {
    return await reply.json();
  } catch {
    return null;
  }
}

/** Run `main`; where the server asks for a key, ask for it here, and run it again. */
export async function entered(main) {
  const status = find("told");
  try {
    await main();
    status.hidden = true;
  } catch (fault) {
    if (!(fault instanceof Refused)) throw fault;
    status.hidden = fault.status === 401;
    status.textContent = `${fault.message} ${fault.fix}`;
    if (fault.status === 401) askForKey(main);
  }
}

function askForKey(main) {
  const door = find("door");
  if (key()) find("door-told").textContent = "That key is not one of this server's.";
  sessionStorage.removeItem(KEPT);
  door.hidden = false;
  find("key").value = "";
  find("key").focus();
  door.onsubmit = (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEPT, find("key").value.trim());
    door.hidden = true;
    entered(main);
  };
}
