// A board to draw on: points [x, y, t], null where the pen is lifted.

import { make } from "./dom.js";

/** {control, clear, points()}; `changed` is called after each line. */
export function pad(changed) {
  const control = make("canvas", { class: "pad", width: 640, height: 400, tabindex: "0", role: "img", "aria-label": "Board to draw on" });
  const pen = control.getContext("2d");
  const points = [];
  let down = false;
  let began = 0;

  function place(event) {
    const box = control.getBoundingClientRect();
    began ||= event.timeStamp;
    const x = ((event.clientX - box.left) * control.width) / box.width;
    const y = ((event.clientY - box.top) * control.height) / box.height;
    return [Math.round(10 * x) / 10, Math.round(10 * y) / 10, Math.round(event.timeStamp - began) / 1000];
  }

  function add(event) {
    const point = place(event);
    const last = points[points.length - 1];
    if (last && point[2] <= last[2]) return;
    points.push(point);
    if (!last) return;
    pen.strokeStyle = getComputedStyle(control).color;
    pen.lineWidth = 4;
    pen.lineCap = "round";
    pen.beginPath();
    pen.moveTo(last[0], last[1]);
    pen.lineTo(point[0], point[1]);
    pen.stroke();
  }

  control.addEventListener("pointerdown", (event) => {
    control.setPointerCapture(event.pointerId);
    down = true;
    if (points.length) points.push(null);
    add(event);
  });
  control.addEventListener("pointermove", (event) => down && (event.getCoalescedEvents?.() || [event]).forEach(add));
  for (const name of ["pointerup", "pointercancel"]) {
    control.addEventListener(name, () => {
      if (down) changed();
      down = false;
    });
  }
  const clear = make("button", { type: "button", class: "plain", click: () => {
    points.length = 0;
    began = 0;
    pen.clearRect(0, 0, control.width, control.height);
    changed();
  } }, "Clear");
  return { control, clear, points: () => points };
}
