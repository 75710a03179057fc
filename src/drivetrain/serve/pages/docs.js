// The routes of the server, as its OpenAPI description tells them.

import { entered, get, root } from "./api.js";
import { find, make } from "./dom.js";

const METHODS = ["get", "post", "put", "delete"];

/** Tag -> its operations, in the order of the description. */
function byTag(told) {
  const found = new Map(told.tags.map((tag) => [tag.name, []]));
  for (const [path, methods] of Object.entries(told.paths)) {
    for (const method of METHODS.filter((each) => each in methods)) {
      const operation = methods[method];
      found.get(operation.tags[0])?.push({ path, method, ...operation });
    }
  }
  return found;
}

function operation(each) {
  const content = Object.entries(each.requestBody?.content || {});
  const places = (each.parameters || []).filter((parameter) => parameter.in !== "path");
  const answers = Object.entries(each.responses?.["200"]?.content || {});
  return make("details", { class: "route" },
    make("summary", {}, make("code", {}, `${each.method.toUpperCase()} ${each.path}`), make("span", { class: "small" }, ` ${each.summary}`)),
    places.length ? make("p", { class: "small" }, `Headers: ${places.map((place) => place.name).join(", ")}`) : null,
    content.map(([kind, body]) => schema(`Body, ${kind}`, body.schema)),
    answers.map(([kind, body]) => schema(`Answer, ${kind}`, body.schema)),
    make("h3", {}, "With curl"),
    make("pre", {}, call(each, content)));
}

function schema(title, told) {
  if (!told || !Object.keys(told).length) return make("h3", {}, title);
  return [make("h3", {}, title), make("pre", {}, JSON.stringify(told, null, 2))];
}

/** Enclosed for a shell: nothing in it means anything there. */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function call(each, content) {
  const address = quoted(new URL(each.path.slice(1), root).href.replaceAll("%7B", "{").replaceAll("%7D", "}"));
  if (each.method === "get") return `curl ${address}`;
  const kind = content[0]?.[0] || "application/json";
  return `curl ${address} \\\n  -H 'Content-Type: ${kind}' \\\n  --data-binary @FILE`;
}

entered(async () => {
  const told = await get("openapi.json");
  const sections = [...byTag(told)].filter(([, operations]) => operations.length);
  find("routes").replaceChildren(...sections.map(([name, operations]) =>
    make("section", { class: "card" }, make("h2", {}, name), operations.map(operation))));
});
