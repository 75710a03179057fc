// A field for each input of a model, by the schema of its raw value and what training saw of it. Each has `element`, and `read()`,
// which gives {value} or {file, name}, or throws a Missing.

import { camera, microphone } from "./capture.js";
import { bytes, figure, fresh, make } from "./dom.js";
import { parseRows } from "./csv.js";
import { pad } from "./pad.js";

const FEW = 4;
const MOST_CHOICES = 200;

/** What a field lacks, and where it is to be mended. */
export class Missing extends Error {
  constructor(message, control) {
    super(message);
    this.control = control;
  }
}

/** The field of an input. `changed` is called whenever it holds something else; its argument says whether that is all there is. */
export function field(input, changed) {
  const makers = [
    [isFile, fileField],
    [({ schema }) => Array.isArray(schema.enum), choiceField],
    [({ kind }) => kind === "trace", traceField],
    [({ kind }) => kind === "date", dateField],
    [({ kind }) => kind === "tags", tagsField],
    [({ schema }) => accepts(schema, "number") && !accepts(schema, "string"), numberField],
    [({ kind }) => kind === "category", openField],
    [({ schema }) => accepts(schema, "string"), textField],
    [({ kind }) => kind === "series", seriesField],
    [({ schema }) => accepts(schema, "array"), listField],
    [() => true, jsonField],
  ];
  return makers.find(([suits]) => suits(input))[1](input, changed);
}

function accepts(schema, type) {
  return [schema.type].flat().includes(type);
}

function isFile({ schema }) {
  return schema.contentEncoding === "base64";
}

function mayMiss({ schema }) {
  return accepts(schema, "null");
}

/** A labelled control. The label is the input's name; the hint says what training saw. */
function labelled(input, control, hint, ...more) {
  control.id ||= fresh("field");
  const told = hint ? make("p", { class: "hint", id: `${control.id}-hint` }, hint) : null;
  if (told) control.setAttribute("aria-describedby", told.id);
  if (mayMiss(input) && control.tagName === "INPUT") control.placeholder ||= "no value";
  return make("div", { class: "field" }, make("label", { for: control.id }, input.name), control, told, ...more);
}

function missing(input, control) {
  return new Missing(`${input.name} is empty.`, control);
}

function told(control, changed) {
  control.addEventListener("input", () => {
    control.removeAttribute("aria-invalid");
    changed(false);
  });
  return control;
}

// --- cells ---------------------------------------------------------------------------------------------------

function quantile(input, level) {
  return (input.profile?.quantiles || {})[level];
}

function spread(input, words = figure) {
  const [least, most] = [quantile(input, "0.0"), quantile(input, "1.0")];
  return least === undefined || most === undefined ? "" : `${words(least)} to ${words(most)} in training`;
}

function numberField(input, changed) {
  const unit = input.extra?.unit || "";
  const control = told(make("input", { type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false" }), changed);
  const middle = quantile(input, "0.5");
  if (middle !== undefined) control.value = String(Number(middle.toPrecision(5)));
  return {
    element: labelled(input, control, [spread(input), unit && `in ${unit}`].filter(Boolean).join(" · ")),
    read() {
      const text = control.value.trim();
      if (!text && !mayMiss(input)) throw missing(input, control);
      const number = Number(text);
      return { value: !text ? null : Number.isFinite(number) && /^[-+.0-9eE]+$/.test(text) ? number : text };
    },
  };
}

function choiceField(input, changed) {
  const values = input.schema.enum.filter((value) => typeof value === "string");
  const choices = values.length ? values : input.schema.enum;
  if (choices.length > MOST_CHOICES) return openField(input, changed, choices);
  if (choices.length <= FEW) return radioField(input, changed, choices);
  const control = make("select", { change: () => changed(false) }, choices.map((value, n) => make("option", { value: n }, String(value))));
  const common = commonest(input, choices);
  if (common >= 0) control.value = String(common);
  return { element: labelled(input, control, ""), read: () => ({ value: choices[Number(control.value)] }) };
}

function radioField(input, changed, choices) {
  const name = fresh("choice");
  const common = Math.max(0, commonest(input, choices));
  const boxes = choices.map((value, n) => make("input", { type: "radio", name, id: fresh("field"), value: n, checked: n === common, change: () => changed(false) }));
  const element = make("fieldset", { class: "field" }, make("legend", {}, input.name),
    make("div", { class: "choices" }, boxes.map((box, n) => make("label", { for: box.id }, box, String(choices[n])))));
  return { element, read: () => ({ value: choices[boxes.findIndex((box) => box.checked)] }) };
}

function commonest(input, choices) {
  const counts = input.profile?.counts || {};
  const best = Object.entries(counts).sort((a, b) => b[1] - a[1])[0];
  return best ? choices.findIndex((value) => String(value) === best[0]) : -1;
}

function openField(input, changed, choices) {
  const counts = Object.entries(input.profile?.counts || {}).sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const known = choices || counts;
  const list = make("datalist", { id: fresh("list") }, known.slice(0, 500).map((value) => make("option", { value })));
  const control = told(make("input", { type: "text", list: list.id, autocomplete: "off" }), changed);
  if (counts.length) control.value = counts[0];
  const hint = known.length ? `such as ${known.slice(0, 3).join(", ")}` : "";
  return {
    element: labelled(input, control, hint, list),
    read() {
      if (!control.value && !mayMiss(input)) throw missing(input, control);
      return { value: control.value || null };
    },
  };
}

function dateField(input, changed) {
  const seen = Object.values(input.profile?.quantiles || {});
  const day = seen.length > 0 && seen.every((stamp) => stamp.endsWith("T00:00:00"));
  const type = input.extra?.clock ? "time" : day ? "date" : "datetime-local";
  const control = told(make("input", { type, step: type === "date" ? null : "1" }), changed);
  const middle = quantile(input, "0.5");
  if (middle) control.value = type === "time" ? middle.slice(11, 19) : middle.slice(0, day ? 10 : 19);
  const hint = spread(input, (stamp) => (type === "time" ? stamp.slice(11, 16) : day ? stamp.slice(0, 10) : stamp.replace("T", " ").slice(0, 16)));
  return {
    element: labelled(input, control, hint),
    read() {
      if (!control.value && !mayMiss(input)) throw missing(input, control);
      return { value: control.value || null };
    },
  };
}

function tagsField(input, changed) {
  const known = input.schema.items?.enum || input.extra?.tags || [];
  if (!known.length || known.length > 40) {
    const control = told(make("textarea", { rows: 2 }), changed);
    return {
      element: labelled(input, control, "one tag a line"),
      read: () => ({ value: control.value.split("\n").map((tag) => tag.trim()).filter(Boolean) }),
    };
  }
  const boxes = known.map((tag) => make("input", { type: "checkbox", id: fresh("field"), value: tag, change: () => changed(false) }));
  const element = make("fieldset", { class: "field" }, make("legend", {}, input.name),
    make("div", { class: "choices" }, boxes.map((box) => make("label", { for: box.id }, box, box.value))));
  return { element, read: () => ({ value: boxes.filter((box) => box.checked).map((box) => box.value) }) };
}

function textField(input, changed) {
  const control = told(make("textarea", { rows: input.alone ? 6 : 2, placeholder: "Write or paste a text" }), changed);
  return {
    element: labelled(input, control, ""),
    read() {
      if (!control.value.trim() && !mayMiss(input)) throw missing(input, control);
      return { value: control.value };
    },
  };
}

// --- lists ---------------------------------------------------------------------------------------------------

function seriesField(input, changed) {
  const channels = input.extra?.channels || [];
  const length = input.schema.minItems;
  const control = told(make("textarea", { rows: 8, class: "code", spellcheck: "false", placeholder: "Paste rows of numbers: a line for each moment, the latest last" }), changed);
  const hint = [length ? `${length.toLocaleString("en")} moments` : "", channels.length > 1 ? `columns: ${channels.join(", ")}` : ""];
  return {
    element: labelled(input, control, hint.filter(Boolean).join(" · ")),
    read() {
      const rows = parseRows(control.value).filter((row) => row.some(Boolean));
      if (rows.length && rows[0].every((cell) => Number.isNaN(Number(cell)))) rows.shift();
      if (!rows.length) throw missing(input, control);
      const cell = (text) => (text.trim() === "" ? null : Number.isFinite(Number(text)) ? Number(text) : text);
      const wide = channels.length > 1 || input.schema.items?.type === "array";
      return { value: rows.map((row) => (wide ? row.map(cell) : cell(row[row.length - 1]))) };
    },
  };
}

function listField(input, changed) {
  const control = told(make("textarea", { rows: 3, class: "code", spellcheck: "false", placeholder: "Whole numbers, parted by spaces" }), changed);
  if (input.schema.items?.type !== "integer") return jsonField(input, changed);
  return {
    element: labelled(input, control, ""),
    read() {
      const words = control.value.split(/[\s,]+/).filter(Boolean);
      if (!words.length) throw missing(input, control);
      return { value: words.map((word) => (/^[0-9]{1,15}$/.test(word) ? Number(word) : word)) };
    },
  };
}

function jsonField(input, changed) {
  const control = told(make("textarea", { rows: 6, class: "code", spellcheck: "false" }), changed);
  return {
    element: labelled(input, control, `JSON: ${input.words || ""}`),
    read() {
      try {
        return { value: JSON.parse(control.value) };
      } catch {
        throw new Missing(`${input.name} is no JSON.`, control);
      }
    },
  };
}

function traceField(input, changed) {
  const board = pad(() => changed(false));
  board.control.id = fresh("field");
  return {
    element: labelled(input, board.control, "Draw with a finger, a pen or the mouse", board.clear),
    read() {
      if (!board.points().length) throw missing(input, board.control);
      return { value: board.points() };
    },
  };
}

// --- files -----------------------------------------------------------------------------------------------------

function fileField(input, changed) {
  const media = input.schema.contentMediaType || "";
  const [picture, sound] = [media.startsWith("image/"), media.startsWith("audio/")];
  const chooser = make("input", { type: "file", id: fresh("field"), accept: media || null, class: "hidden-file" });
  const preview = make("div", { class: "preview" });
  const words = picture ? "a picture" : sound ? "a recording" : "a file";
  const zone = make("div", { class: "drop" }, preview,
    make("p", { class: "row centre" },
      make("label", { for: chooser.id, class: "button" }, `Choose ${words}`), chooser,
      picture ? camera(take) : null, sound ? microphone(take) : null),
    make("p", { class: "hint", id: `${chooser.id}-hint` }, picture ? "or drop one here, or paste it" : "or drop one here"));
  chooser.setAttribute("aria-describedby", `${chooser.id}-hint`);
  chooser.setAttribute("aria-label", `${input.name}: choose ${words}`);
  let held = null;
  let url = null;

  function take(file, name) {
    held = { file, name: name || file.name || "file" };
    if (url) URL.revokeObjectURL(url);
    url = URL.createObjectURL(file);
    const about = make("p", { class: "small" }, `${held.name} · ${bytes(file.size)}`);
    const seen = picture ? make("img", { src: url, alt: held.name }) : sound ? make("audio", { src: url, controls: true, "aria-label": held.name }) : null;
    seen?.addEventListener("error", () => seen.replaceWith(make("p", { class: "small" }, "This browser can't show it; the server may well read it.")));
    preview.replaceChildren(...[seen, about].filter(Boolean));
    zone.classList.add("holds");
    changed(true);
  }

  chooser.addEventListener("change", () => chooser.files.length && take(chooser.files[0]));
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
  const element = make("div", { class: "field" }, make("span", { class: "label" }, input.name), zone);
  return {
    element,
    paste(items) {
      const file = [...items].map((item) => item.kind === "file" && item.getAsFile()).find(Boolean);
      if (!file) return false;
      take(file, file.name || "pasted.png");
      return true;
    },
    read() {
      if (!held) throw new Missing(`${input.name}: choose ${words} first.`, chooser);
      return held;
    },
  };
}
