// The question that was asked, as a program asks it. What is shown here works as it stands: tests run it.

import { key, root } from "./api.js";

const LONG = 1500;

/** {body, kind, file?} of what is asked -> language -> text of a program. `item` is the JSON value, where it is one. */
export function programs(model, which, question) {
  const path = ["models", model, ...which, question.verb].map(encodeURIComponent).join("/");
  const url = new URL(path, root).href;
  return { curl: curl(url, question), Python: python(model, which, question), JavaScript: javascript(url, question) };
}

/** Whether a question is so long that it goes in a file of its own. */
export function isLong(question) {
  return question.kind === "json" && JSON.stringify(question.item).length > LONG;
}

function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function curl(url, question) {
  const lines = [`curl ${quoted(url)}`];
  if (key()) lines.push('-H "Authorization: Bearer $DRIVETRAIN_KEY"');
  if (question.verb === "generate") lines[0] = `curl -N ${quoted(url)}`;
  if (question.kind === "file") lines.push("-H 'Content-Type: application/octet-stream'", `--data-binary ${quoted(`@${question.name}`)}`);
  if (question.kind === "parts") {
    for (const [name, part] of Object.entries(question.parts)) {
      lines.push(part.file ? `-F ${quoted(`${name}=@"${part.name.replace(/["\\]/g, "\\$&")}"`)}` : `--form-string ${quoted(`${name}=${part.value}`)}`);
    }
  }
  if (question.kind === "json") {
    lines.push("-H 'Content-Type: application/json'");
    lines.push(isLong(question) ? "--data-binary '@item.json'" : `--data-binary ${quoted(JSON.stringify(question.item))}`);
  }
  return lines.join(" \\\n  ");
}

function python(model, which, question) {
  const address = JSON.stringify(root.href.replace(/\/$/, ""));
  const access = key() ? `, key=os.environ["DRIVETRAIN_KEY"]` : "";
  const chosen = which.length ? (which[0] === "versions" ? `, version=${which[1]}` : `, label=${literal(which[1])}`) : "";
  const long = isLong(question);
  const imports = [key() ? "import os" : "", long ? "import json" : ""].filter(Boolean);
  const given = question.kind === "file"
    ? literal(question.name)
    : question.kind === "parts"
      ? literal(Object.fromEntries(Object.entries(question.parts).map(([name, part]) => [name, part.file ? part.name : part.value])))
      : long ? `json.load(open("item.json", encoding="utf-8"))` : literal(question.item);
  const head = [...imports, ...(imports.length ? [""] : []), "from drivetrain.client import Client", "", `client = Client(${address}${access})`];
  if (question.verb === "generate") {
    const { prompt, ...options } = question.item;
    const told = Object.entries(options).map(([name, value]) => `, ${name}=${literal(value)}`).join("");
    return [...head, `for piece in client.generate(${literal(model)}, ${literal(prompt)}${chosen}${told}):`, `    print(piece.text, end="", flush=True)`].join("\n");
  }
  return [...head, `answer = client.predict(${literal(model)}, ${given}${chosen})`, "print(answer.to_json())"].join("\n");
}

/** A value of JSON as Python has it. */
export function literal(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([name, each]) => `${literal(name)}: ${literal(each)}`).join(", ")}}`;
  return JSON.stringify(value);
}

function javascript(url, question) {
  const headers = [];
  if (key()) headers.push("Authorization: `Bearer ${key}`");
  let body = "form";
  const before = [];
  if (question.kind === "file") {
    before.push(`const file = document.querySelector("input[type=file]").files[0];`);
    body = "file";
    headers.push(`"Content-Type": "application/octet-stream"`);
  } else if (question.kind === "parts") {
    before.push("const form = new FormData();");
    for (const [name, part] of Object.entries(question.parts)) {
      before.push(`form.append(${JSON.stringify(name)}, ${part.file ? `document.querySelector("input[type=file]").files[0]` : JSON.stringify(part.value)});`);
    }
  } else {
    body = isLong(question) ? "JSON.stringify(item)" : `JSON.stringify(${JSON.stringify(question.item)})`;
    if (isLong(question)) before.push(`const item = await (await fetch("item.json")).json();`);
    headers.push(`"Content-Type": "application/json"`);
  }
  const told = [
    ...before,
    `const reply = await fetch(${JSON.stringify(url)}, {`,
    `  method: "POST",`,
    headers.length ? `  headers: { ${headers.join(", ")} },` : "",
    `  body: ${body},`,
    "});",
  ].filter(Boolean);
  if (question.verb !== "generate") return [...told, "console.log(await reply.json());"].join("\n");
  return [
    ...told,
    "for await (const piece of reply.body.pipeThrough(new TextDecoderStream())) console.log(piece);",
  ].join("\n");
}
