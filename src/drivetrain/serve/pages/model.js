// The page of one model: what it takes as fields, what it says as answers, and the same as programs.

import { shown, problem } from "./answers.js";
import { ask, entered, get, Refused } from "./api.js";
import { isLong, programs } from "./calls.js";
import { find, make } from "./dom.js";
import { Missing } from "./fields.js";
import { form } from "./forms.js";

const name = decodeURIComponent(location.pathname.split("/").at(-2));
const state = { about: null, which: [], form: null, language: "curl", under: null };

entered(async () => {
  await look([]);
  find("name").textContent = name;
  document.title = name;
  versions();
  find("sides").hidden = false;
});

find("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
find("stop").addEventListener("click", () => state.under?.abort());
document.addEventListener("paste", (event) => {
  if (state.form?.paste(event.clipboardData.items)) event.preventDefault();
});
// A file that misses its place must not replace the page.
for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());

/** What the chosen version is; its form, where it takes something else than the one before. */
async function look(which) {
  const about = await get(["models", name, ...which].map(encodeURIComponent).join("/"));
  const same = state.about && JSON.stringify(takes(state.about)) === JSON.stringify(takes(about));
  Object.assign(state, { about, which });
  if (!same) {
    state.form = form(about, changed);
    find("fields").replaceChildren(...state.form.elements);
    find("go").textContent = about.program === "generate" ? "Write" : "Ask";
  }
  find("kind").textContent = [(about.task || "").replaceAll("_", " "), ...about.targets.map((each) => each.name)].filter(Boolean).join(" · ");
  tell(about);
  code();
}

function takes(about) {
  return [about.program, about.inputs.map(({ name: called, schema, extra }) => [called, schema, extra])];
}

/** The choice among versions and labels; with neither the server chooses. */
function versions() {
  const { versions: all = [], labels = {}, traffic = {} } = state.about;
  const ready = all.filter((each) => each.state === "ready");
  const share = (word) => (traffic[word] ? ` (${Math.round(100 * traffic[word])} %)` : "");
  const choices = [
    ["the server's choice", []],
    ...Object.entries(labels).map(([label, version]) => [`${label} → ${version}${share(label)}`, ["labels", label]]),
    ...ready.map((each) => [`version ${each.version}${share(String(each.version))}`, ["versions", String(each.version)]]),
  ];
  const select = find("version");
  select.replaceChildren(...choices.map(([words], n) => make("option", { value: n }, words)));
  find("which").hidden = choices.length < 3 && ready.length < 2;
  select.onchange = () => entered(() => look(choices[Number(select.value)][1]));
}

function changed(whole) {
  code();
  if (whole && state.form.alone) send();
}

async function send() {
  const place = find("answer");
  state.under?.abort();
  const under = new AbortController();
  state.under = under;
  let question;
  try {
    question = state.form.question();
  } catch (fault) {
    if (!(fault instanceof Missing)) throw fault;
    place.replaceChildren(problem(fault.message, "", ""));
    fault.control.setAttribute("aria-invalid", "true");
    fault.control.focus();
    return;
  }
  place.setAttribute("aria-busy", "true");
  place.classList.add("busy");
  find("stop").hidden = question.verb !== "generate";
  try {
    if (question.verb === "generate") await write(place, question, under);
    else await answer(place, question, under);
  } catch (fault) {
    if (fault.name !== "AbortError") {
      const found = fault instanceof Refused ? fault : { message: String(fault), where: "", fix: "" };
      place.replaceChildren(problem(found.message, found.where, found.fix));
    }
  } finally {
    if (state.under === under) {
      place.setAttribute("aria-busy", "false");
      place.classList.remove("busy");
      find("stop").hidden = true;
    }
  }
}

function path(verb) {
  return ["models", name, ...state.which, verb].map(encodeURIComponent).join("/");
}

async function answer(place, question, under) {
  const began = performance.now();
  const reply = await (await ask(path(question.verb), { method: "POST", signal: under.signal, ...body(question) })).json();
  const seconds = (performance.now() - began) / 1000;
  place.replaceChildren(...shown(reply, state.about, seconds, question));
}

/** A question as `fetch` takes it. */
function body(question) {
  if (question.kind === "file") return { body: question.file, headers: { "Content-Type": "application/octet-stream" } };
  if (question.kind === "json") return { body: JSON.stringify(question.item), headers: { "Content-Type": "application/json" } };
  const data = new FormData();
  for (const [field, part] of Object.entries(question.parts)) {
    if (part.file) data.append(field, part.file, part.name);
    else data.append(field, part.value);
  }
  return { body: data };
}

/** What a model writes, as it comes. */
async function write(place, question, under) {
  const began = performance.now();
  const { prompt } = question.item;
  const text = make("p", { class: "written" }, typeof prompt === "string" ? make("strong", {}, prompt) : null);
  const foot = make("p", { class: "small foot" });
  place.setAttribute("aria-live", "off"); // Not letter by letter; the end is told.
  place.replaceChildren(text, foot);
  let count = 0;
  try {
    const reply = await ask(path("generate"), { method: "POST", signal: under.signal, ...body(question) });
    for await (const told of events(reply.body)) {
      if (told.error) throw new Refused(200, told);
      if ("token" in told) {
        count += 1;
        text.append(told.text ?? "");
        foot.textContent = `${count} tokens`;
      }
    }
  } finally {
    place.setAttribute("aria-live", "polite");
    const seconds = (performance.now() - began) / 1000;
    foot.textContent = `${count} tokens in ${seconds.toFixed(1)} s · ${(count / seconds).toFixed(0)} a second`;
  }
}

/** The events of a stream, each as what its data says. */
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data:")) yield JSON.parse(line.slice(5));
  }
}

// --- the same by a program -----------------------------------------------------------------------------------

function code() {
  const place = find("code");
  let question;
  try {
    question = state.form.question();
  } catch (fault) {
    if (!(fault instanceof Missing)) throw fault;
    question = null;
  }
  if (!question) {
    find("languages").replaceChildren();
    place.replaceChildren(make("p", { class: "small" }, "What you ask above stands here as curl, Python and JavaScript, once it is all there."));
    return;
  }
  const texts = programs(name, state.which, question);
  const languages = Object.keys(texts);
  const tabs = languages.map((language) => make("button", {
    type: "button", role: "tab", id: `tab-${language}`, "aria-controls": "code", "aria-selected": String(language === state.language),
    tabindex: language === state.language ? "0" : "-1",
    click: () => choose(language), keydown: (event) => step(event, languages),
  }, language));
  find("languages").replaceChildren(...tabs);
  place.setAttribute("aria-labelledby", `tab-${state.language}`);
  const text = texts[state.language];
  const copy = make("button", { type: "button", class: "plain copy", click: () => copied(copy, text) }, "Copy");
  const file = isLong(question)
    ? make("button", { type: "button", class: "plain", click: () => save("item.json", JSON.stringify(question.item)) }, "Save item.json")
    : null;
  place.replaceChildren(...[make("pre", {}, make("code", { id: "program" }, text)), make("p", { class: "row" }, copy, file)].filter(Boolean));
}

function save(called, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  make("a", { download: called, href: url }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function choose(language) {
  state.language = language;
  code();
  find(`tab-${language}`).focus();
}

function step(event, languages) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  choose(languages[(languages.indexOf(state.language) + by + languages.length) % languages.length]);
}

async function copied(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(find("program")); // Without https a browser leaves copying to the reader.
    button.textContent = "Marked: press Ctrl+C";
  }
}

function tell(about) {
  const rows = [
    ...about.inputs.map((each) => [each.name, `takes ${each.words || each.op}`]),
    ...about.targets.map((each) => [each.name, `says ${each.words || each.op}`]),
    ["version", String(about.version)],
    ["hash", about.hash],
  ];
  find("about").replaceChildren(
    ...(about.card ? [make("details", {}, make("summary", {}, "Model card"), make("pre", { class: "card-text" }, about.card))] : []),
    make("table", { class: "settings" }, make("tbody", {}, rows.map(([word, text]) => make("tr", {}, make("th", { scope: "row" }, word), make("td", {}, text))))));
}
