// The list of models.

import { entered, get } from "./api.js";
import { find, make } from "./dom.js";

const SAYS = {
  single: "answers",
  forecast: "forecasts",
  generate: "writes",
  recommend: "recommends",
};

function card(model) {
  const ready = model.versions.some((each) => each.state === "ready");
  const title = make("h2", {}, ready
    ? make("a", { href: `models/${encodeURIComponent(model.name)}/page` }, model.name)
    : model.name);
  const task = [words(model.task), SAYS[model.program]].filter(Boolean).join(" · ");
  return make("section", { class: "card model" },
    make("div", {}, title, task ? make("p", { class: "small" }, task) : null),
    make("ul", { class: "versions" }, model.versions.map((each) => version(model, each))));
}

function version(model, each) {
  const labels = Object.entries(model.labels || {}).filter(([, of]) => of === each.version).map(([label]) => label);
  const traffic = labels.concat(String(each.version)).map((name) => (model.traffic || {})[name]).find((share) => share);
  return make("li", {},
    make("span", { class: `state ${each.state}` }, each.state),
    ` version ${each.version}`,
    labels.map((label) => make("span", { class: "tag" }, label)),
    traffic ? ` ${Math.round(100 * traffic)} % of requests` : null,
    each.state !== "ready" && each.reason ? make("span", { class: "small" }, ` ${each.reason}`) : null);
}

function words(task) {
  return (task || "").replaceAll("_", " ");
}

entered(async () => {
  const { models } = await get("models");
  const place = find("models");
  place.replaceChildren(...models.map(card));
  if (!models.length) place.append(make("p", { class: "card" }, "No model is served yet."));
});
