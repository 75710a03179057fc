// Elements and texts. Nothing here, nor anywhere else in these pages, makes HTML of a text: what the server says is text.

/** An element with attributes (a function is a listener, true an attribute without a value) and children: nodes or texts. */
export function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
export function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

let made = 0;

/** An id that no other element of the page has. */
export function fresh(word) {
  made += 1;
  return `${word}-${made}`;
}

export function find(id) {
  return document.getElementById(id);
}

/** A number for people: as many digits as say something. */
export function figure(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 1e-4)) return value.toExponential(3).replace("-", "\u2212");
  const digits = size >= 1000 ? 1 : Math.max(0, 4 - Math.max(1, Math.ceil(Math.log10(size || 1))));
  return value.toLocaleString("en", { maximumFractionDigits: Math.min(digits, 6) }).replace("-", "\u2212");
}

export function percent(share) {
  if (share > 0 && share < 0.0005) return "< 0.1\u00a0%";
  if (share < 1 && share > 0.9995) return "> 99.9\u00a0%";
  return `${(100 * share).toFixed(1)}\u00a0%`;
}

export function bytes(size) {
  if (size < 1000) return `${size} bytes`;
  return size < 1e6 ? `${(size / 1e3).toFixed(0)} KB` : `${(size / 1e6).toFixed(1)} MB`;
}
