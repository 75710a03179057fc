// What came back, for a person: by what an answer has, never by what the task is called.

import { draw, figure, make, percent } from "./dom.js";
import { forecastChart, lineChart } from "./chart.js";

const SHOWN = 8;
const BYTES = /^[0-9]+ bytes$/; // What an input is called that has no name of its own.

/** An answer of the server as elements: the reply's first answer, and who gave it. */
export function shown(reply, about, seconds, input) {
  const [answer] = reply.answers || [reply.forecasts ? { forecasts: reply.forecasts } : reply.recommendations];
  if (typeof answer.error === "string" && "fix" in answer) return [problem(answer.error, answer.where, answer.fix)];
  const { input: _, unusual = {}, parts = {}, windows = [], ...rest } = answer;
  if (rest.forecasts || rest.items) return [...target(rest, about.targets[0], input), foot(reply, seconds)];
  const targets = reply.targets || about.targets.map((each) => each.name);
  const found = targets.length === 1
    ? [make("p", { class: "kind" }, targets[0]), ...target(rest, of(about, targets[0]), input)]
    : targets.flatMap((name) => [make("h3", {}, name), ...target(rest[name], of(about, name), input)]);
  return [...found, ...partsOf(parts), ...windowsOf(windows), ...notes(unusual), foot(reply, seconds)];
}

/** Why there is no answer. */
export function problem(error, where, fix) {
  return make("div", { class: "problem" },
    make("p", {}, make("strong", {}, where && !BYTES.test(where) ? `${where}: ` : ""), error),
    fix ? make("p", { class: "small" }, fix) : null);
}

function of(about, name) {
  return about.targets.find((each) => each.name === name) || { name };
}

function target(decoded, info, input) {
  if (decoded.forecasts) {
    const told = new Set(decoded.forecasts.flatMap((each) => each.notes || []));
    return [...decoded.forecasts.flatMap((each) => forecast(each, info, input)), ...[...told].map((note) => make("p", { class: "note" }, note))];
  }
  if (decoded.items) return recommended(decoded);
  if (decoded.ranking) return [bars(decoded.ranking.map((each) => [each.item, each.score]), figure)];
  if (decoded.picture) return [make("img", { class: "shown", alt: `${info.name} as a picture`, src: `data:image/png;base64,${decoded.picture}` })];
  if ("label" in decoded) {
    return [headline(decoded.label, percent(decoded.probability)), bars(Object.entries(decoded.probabilities || {}), percent, decoded.label)];
  }
  if ("tags" in decoded) {
    return [headline(decoded.tags.join(", ") || "none", ""), bars(Object.entries(decoded.probabilities || {}), percent, ...decoded.tags)];
  }
  if (Array.isArray(decoded.value)) return [lineChart(decoded.value, info.name), headline(decoded.value.map(figure).join(", "), info.unit)];
  if ("value" in decoded) return number(decoded, info);
  if ("text" in decoded) return [make("p", { class: "written" }, decoded.text || "(nothing)")];
  return [make("pre", {}, JSON.stringify(decoded, null, 1))];
}

function headline(words, beside) {
  return make("p", { class: "lead" }, make("strong", {}, words), beside ? make("span", { class: "beside" }, ` ${beside}`) : null);
}

function number({ value, low, high }, info) {
  const between = low === undefined || low === null
    ? null
    : make("p", { class: "small" }, `probably between ${figure(low)} and ${figure(high)}`, info.unit ? ` ${info.unit}` : "");
  return [headline(figure(value), info.unit), range(value, low, high), between].filter(Boolean);
}

function range(value, low, high) {
  if (!(high > low)) return null;
  const at = (place) => 4 + 92 * Math.min(1, Math.max(0, (place - low) / (high - low)));
  return draw("svg", { class: "range", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    draw("line", { x1: 4, x2: 96, y1: 4, y2: 4, class: "band" }),
    draw("line", { x1: at(value), x2: at(value), y1: 1, y2: 7, class: "mark" }));
}

/** Names and shares, largest first; those of `said` stand out. */
export function bars(pairs, words, ...said) {
  const sorted = [...pairs].sort((a, b) => b[1] - a[1]);
  const most = Math.max(words === percent ? 1 : 0, ...sorted.map(([, share]) => share)) || 1;
  const rows = sorted.map(([name, share], place) => {
    const bar = make("span", { class: "fill" });
    bar.style.width = `${Math.max(0, (100 * share) / most)}%`;
    return make("li", { class: said.includes(name) ? "said" : "", hidden: place >= SHOWN },
      make("span", { class: "name" }, name),
      make("span", { class: "share" }, words(share)),
      make("span", { class: "bar", "aria-hidden": "true" }, bar));
  });
  const list = make("ol", { class: "bars" }, rows);
  if (rows.length <= SHOWN) return list;
  const all = make("button", { type: "button", class: "plain", click: () => {
    for (const row of rows) row.hidden = false;
    all.remove();
  } }, `all ${rows.length.toLocaleString("en")}`);
  return make("div", {}, list, all);
}

function forecast(each, info, input) {
  const rows = each.forecast.map(({ stamp, value, low, high }) => make("tr", {},
    make("th", { scope: "row" }, stamp), make("td", {}, figure(value)),
    make("td", {}, low === null || low === undefined ? "" : `${figure(low)} to ${figure(high)}`)));
  return [
    each.series ? make("h3", {}, each.series) : null,
    forecastChart(input?.history?.(each.series) || [], each.forecast, info.name),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Forecast ${each.series || ""}` }, make("table", {},
      make("thead", {}, make("tr", {}, ["moment", info.name, "between"].map((word) => make("th", { scope: "col" }, word)))),
      make("tbody", {}, rows))),
  ].filter(Boolean);
}

function recommended({ items, notes: told = [] }) {
  const most = Math.max(...items.map((each) => each.score), 0) || 1;
  return [
    make("ol", { class: "bars" }, items.map((each) => {
      const bar = make("span", { class: "fill" });
      bar.style.width = `${(100 * Math.max(0, each.score)) / most}%`;
      return make("li", {},
        make("span", { class: "name" }, each.title || each.item),
        make("span", { class: "share" }, percent(each.score)),
        make("span", { class: "bar", "aria-hidden": "true" }, bar),
        each.why ? make("span", { class: "small" }, each.why) : null);
    })),
    ...told.map((note) => make("p", { class: "note" }, note)),
  ];
}

function partsOf(parts) {
  const found = Object.entries(parts);
  if (!found.length) return [];
  return [make("details", {}, make("summary", {}, "What each part of the model says"), make("pre", {}, JSON.stringify(parts, null, 1)))];
}

function windowsOf(windows) {
  if (!windows.length) return [];
  const told = (each) => ("label" in each ? `${each.label} ${percent(each.probability)}` : "value" in each ? figure(each.value) : "");
  return [make("details", { open: true }, make("summary", {}, "Part by part"), make("table", {}, make("tbody", {},
    windows.map((each) => make("tr", {}, make("th", { scope: "row" }, `${each.from.toFixed(1)} to ${each.to.toFixed(1)} s`), make("td", {}, told(each)))))))];
}

function notes(unusual) {
  return Object.entries(unusual).map(([name, found]) => make("p", { class: "note" },
    make("strong", {}, name), found.value === "" || BYTES.test(found.value) ? "" : ` ${found.value}`, `: ${found.reason}. The answer is a guess about something unknown.`));
}

function foot(reply, seconds) {
  const id = (reply.ids || [])[0];
  const inside = typeof reply.latency_ms === "number" ? `${reply.latency_ms.toFixed(1)} ms` : "";
  const told = [`version ${reply.version}`, inside && `${inside} in the server`, `${(1000 * seconds).toFixed(0)} ms with the way`, id && `record ${id}`];
  return make("p", { class: "small foot" }, told.filter(Boolean).join(" · "));
}
