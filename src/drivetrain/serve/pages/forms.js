// What is asked of a model, by its program: fields for a row, a history, a prompt, or what somebody liked.

import { columnsOf } from "./csv.js";
import { fresh, make } from "./dom.js";
import { field, Missing } from "./fields.js";

/** {elements, alone, paste(items), question()}: the form of a model. A question has a `verb`, and by its `kind` an `item` to send as
 * JSON, one `file`, or `parts`; where something is missing it throws. `alone`: a file is all there is to ask. */
export function form(about, changed) {
  const makers = { forecast: historyForm, generate: promptForm, recommend: likedForm };
  return { paste: () => false, alone: false, ...(makers[about.program] || rowForm)(about, changed) };
}

function rowForm(about, changed) {
  const fields = about.inputs.map((input) => [input, field({ ...input, alone: about.inputs.length === 1 }, changed)]);
  return {
    elements: [make("div", { class: fields.length > 3 ? "grid" : "" }, fields.map(([, each]) => each.element))],
    alone: fields.length === 1 && about.inputs[0].schema.contentEncoding === "base64",
    paste: (items) => fields.some(([, each]) => each.paste?.(items)),
    question: () => question(fields.map(([input, each]) => [input.name, each.read()])),
  };
}

function question(read) {
  const files = read.filter(([, part]) => part.file);
  if (files.length === 1 && read.length === 1) return { verb: "predict", kind: "file", ...files[0][1] };
  if (!files.length) return { verb: "predict", kind: "json", item: Object.fromEntries(read.map(([name, { value }]) => [name, value])) };
  const parts = read.map(([name, part]) => [name, part.file ? part : { value: part.value === null ? "" : typeof part.value === "string" ? part.value : JSON.stringify(part.value) }]);
  return { verb: "predict", kind: "parts", parts: Object.fromEntries(parts) };
}

function historyForm(about, changed) {
  const { target = about.targets[0].name, timestamp = "", series_field: series = "", known = [], horizon = 1 } = about.forecast || {};
  const columns = [timestamp, series, target, ...known].filter(Boolean);
  const control = make("textarea", { id: fresh("field"), rows: 10, class: "code", spellcheck: "false", placeholder: `${columns.join(",")}\n…`, input: () => changed(false) });
  const count = make("input", { id: fresh("field"), type: "number", min: 1, value: horizon, input: () => changed(false) });
  const file = make("input", { type: "file", id: fresh("field"), accept: ".csv,.tsv,text/csv", class: "hidden-file", change: async () => {
    if (!file.files.length) return;
    control.value = await file.files[0].text();
    changed(false);
  } });
  const hint = make("p", { class: "hint", id: `${control.id}-hint` },
    `Columns: ${columns.join(", ")}. A row for each moment${known.length ? `; moments to come have no ${target}` : ""}.`);
  control.setAttribute("aria-describedby", hint.id);
  const history = (name) => {
    const table = columnsOf(control.value);
    const rows = (table.get(target) || []).map((cell, place) => [(table.get(series) || [])[place], cell]);
    return rows.filter(([own, cell]) => (!series || own === name) && cell !== "").map(([, cell]) => Number(cell)).filter(Number.isFinite);
  };
  return {
    elements: [
      make("div", { class: "field" }, make("label", { for: control.id }, "History, as CSV"), control, hint,
        make("p", { class: "row" }, make("label", { for: file.id, class: "button" }, "Choose a file"), file)),
      make("div", { class: "field short" }, make("label", { for: count.id }, "Moments to foretell"), count),
    ],
    question() {
      if (!control.value.trim()) throw new Missing("Paste the history, or choose its file.", control);
      return { verb: "predict", kind: "json", item: { history: control.value, horizon: Number(count.value) || horizon }, history };
    },
  };
}

function promptForm(about, changed) {
  const [input] = about.inputs;
  const prompt = field({ ...input, alone: true }, changed);
  if (about.writes) return { elements: [prompt.element], question: () => ({ verb: "predict", kind: "json", item: { [input.name]: prompt.read().value } }) };
  const options = [
    ["most", "Tokens at most", 200, { min: 1, step: 1 }],
    ["temperature", "Temperature", 0.8, { min: 0.05, max: 5, step: 0.05 }],
    ["top_k", "Likeliest (top k)", 40, { min: 0, step: 1 }],
    ["seed", "Seed", 0, { min: 0, step: 1 }],
  ].map(([name, words, value, more]) => {
    const control = make("input", { id: fresh("field"), type: "number", value, ...more, input: () => changed(false) });
    return { name, control, value, element: make("div", { class: "field" }, make("label", { for: control.id }, words), control) };
  });
  return {
    elements: [prompt.element, make("div", { class: "grid four" }, options.map((each) => each.element))],
    question() {
      const told = Object.fromEntries(options.map((each) => [each.name, each.control.value === "" ? each.value : Number(each.control.value)]));
      return { verb: "generate", kind: "json", item: { prompt: prompt.read().value, strategy: "sampling", ...told } };
    },
  };
}

function likedForm(about, changed) {
  const items = about.recommend?.items || [];
  const called = new Map(items.map(({ item, title }) => [title || item, item]));
  const list = make("datalist", { id: fresh("list") }, [...called.keys()].map((value) => make("option", { value })));
  const control = make("input", { id: fresh("field"), type: "text", list: list.id, autocomplete: "off", placeholder: "Type, and choose", change: add });
  const user = make("input", { id: fresh("field"), type: "text", autocomplete: "off", placeholder: "nobody in particular", input: () => changed(false) });
  const chosen = make("ul", { class: "chips" });
  const liked = new Map();

  function add() {
    const word = control.value.trim();
    if (!word) return;
    liked.set(word, called.get(word) || word);
    control.value = "";
    show();
  }

  function show() {
    chosen.replaceChildren(...[...liked.keys()].map((word) => make("li", {}, word, make("button", {
      type: "button", class: "plain", "aria-label": `without ${word}`, click: () => {
        liked.delete(word);
        show();
        control.focus();
      } }, "×"))));
    changed(false);
  }

  return {
    elements: [
      make("div", { class: "field" }, make("label", { for: control.id }, "What somebody liked"), control, list, chosen),
      make("div", { class: "field" }, make("label", { for: user.id }, "Or who that is"), user),
    ],
    question() {
      if (control.value.trim()) add();
      const who = user.value.trim();
      const history = liked.size || !who ? { history: [...liked.values()] } : {};
      return { verb: "predict", kind: "json", item: { ...(who ? { user: who } : {}), ...history, n: 10 } };
    },
  };
}
