// Rows of a table that somebody pasted.

/** Rows of cells: parted by tabs, semicolons or commas, quoted or not. */
export function parseRows(text) {
  const head = text.slice(0, Math.max(0, text.indexOf("\n")) || text.length);
  const separator = ["\t", ";", ","].reduce((best, sign) => (count(head, sign) > count(head, best) ? sign : best), ",");
  const rows = [[]];
  let cell = "";
  let quoted = false;
  for (let place = 0; place < text.length; place += 1) {
    const sign = text[place];
    if (quoted) {
      if (sign !== '"') cell += sign;
      else if (text[place + 1] === '"') {
        cell += '"';
        place += 1;
      } else quoted = false;
    } else if (sign === '"' && !cell) quoted = true;
    else if (sign === separator || sign === "\n") {
      rows[rows.length - 1].push(cell.trim());
      cell = "";
      if (sign === "\n") rows.push([]);
    } else if (sign !== "\r") cell += sign;
  }
  rows[rows.length - 1].push(cell.trim());
  return rows.filter((row) => row.length > 1 || row[0] !== "");
}

function count(text, sign) {
  return text.split(sign).length;
}

/** Column -> its cells, of a table with a header. */
export function columnsOf(text) {
  const [names = [], ...rows] = parseRows(text);
  return new Map(names.map((name, place) => [name, rows.map((row) => row[place] ?? "")]));
}
