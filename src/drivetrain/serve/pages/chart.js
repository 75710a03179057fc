// Lines: what was, and what is foretold with its band.

import { draw, figure } from "./dom.js";

const WIDTH = 640;
const HEIGHT = 220;
const EDGE = { left: 52, right: 10, top: 10, bottom: 24 };

/** Numbers one after the other. */
export function lineChart(values, name) {
  return forecastChart(values, [], name);
}

/** The end of a history and what follows: [number], [{stamp, value, low, high}]. */
export function forecastChart(history, ahead, name) {
  const past = history.slice(-Math.max(24, 4 * ahead.length)).filter((value) => value !== null);
  const all = [...past, ...ahead.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value])];
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const count = past.length + ahead.length;
  const x = (place) => EDGE.left + (place / Math.max(1, count - 1)) * (WIDTH - EDGE.left - EDGE.right);
  const y = (value) => EDGE.top + (1 - (value - least) / (most - least || 1)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const path = (points) => points.map(([place, value], n) => `${n ? "L" : "M"}${x(place).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const line = past.map((value, place) => [place, value]);
  const last = past.length ? [line[line.length - 1]] : [];
  const told = [...last, ...ahead.map(({ value }, n) => [past.length + n, value])];
  const high = [...last, ...ahead.map((each, n) => [past.length + n, each.high ?? each.value])];
  const low = [...last, ...ahead.map((each, n) => [past.length + n, each.low ?? each.value])];
  const words = ahead.length
    ? `${name}: ${ahead.length} moments foretold, from ${figure(ahead[0].value)} to ${figure(ahead[ahead.length - 1].value)}`
    : `${name}: ${past.length} moments`;
  const drawing = draw("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words });
  for (const tick of ticks(least, most)) {
    drawing.append(
      draw("line", { class: "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(tick), y2: y(tick) }),
      draw("text", { x: EDGE.left - 8, y: y(tick) + 4, "text-anchor": "end" }, figure(tick)));
  }
  if (ahead.length) {
    drawing.append(
      draw("path", { class: "band", d: `${path([...high, ...low.reverse()])}Z` }),
      draw("path", { class: "told", d: path(told) }),
      draw("text", { x: x(past.length), y: HEIGHT - 6, "text-anchor": "middle" }, short(ahead[0].stamp)),
      ahead.length > 1 ? draw("text", { x: WIDTH - EDGE.right, y: HEIGHT - 6, "text-anchor": "end" }, short(ahead[ahead.length - 1].stamp)) : "");
  }
  drawing.append(draw("path", { class: "past", d: path(line) }));
  return drawing;
}

function short(stamp) {
  return String(stamp).slice(0, 16);
}

function ticks(least, most) {
  const span = most - least || Math.abs(most) || 1;
  const power = 10 ** Math.floor(Math.log10(span / 3));
  const step = power * [1, 2, 5, 10].find((each) => span / (power * each) <= 4);
  const found = [];
  for (let tick = Math.ceil(least / step) * step; tick <= most + step / 1e6; tick += step) found.push(Number(tick.toPrecision(12)));
  return found;
}
