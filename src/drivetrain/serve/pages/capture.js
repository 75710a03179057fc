// Pictures of the camera, and recordings of the microphone as WAV. What is taken leaves this page only as the question to the server.

import { root } from "./api.js";
import { make } from "./dom.js";
import { toWav } from "./wav.js";

const LONGEST_SECONDS = 300;

function refused(fault, what) {
  if (!navigator.mediaDevices) return `A browser gives a page the ${what} over https or on this machine only.`;
  if (fault?.name === "NotAllowedError") return `The browser was told to keep the ${what} from this page.`;
  if (fault?.name === "NotFoundError") return `There is no ${what} here.`;
  return `The ${what} can't be used: ${fault?.message || "unknown"}.`;
}

/** A button that opens the camera, and takes a picture of it: `take(blob, name)`. */
export function camera(take) {
  const status = make("span", { class: "small", role: "status" });
  const open = make("button", { type: "button", class: "open-camera", click: start }, "Use the camera");
  const video = make("video", { playsinline: true, muted: true, "aria-label": "What the camera sees" });
  video.muted = true;
  const shoot = make("button", { type: "button", class: "primary shoot", click: taken }, "Take it");
  const close = make("button", { type: "button", click: stop }, "Close");
  const place = make("span", { class: "capture" }, open, status);
  let stream = null;

  async function start() {
    status.textContent = "";
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (fault) {
      status.textContent = refused(fault, "camera");
      return;
    }
    video.srcObject = stream;
    place.replaceChildren(make("span", { class: "live" }, video, make("span", { class: "row centre" }, shoot, close)));
    await video.play();
    shoot.focus();
  }

  function stop() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    place.replaceChildren(open, status);
    open.focus();
  }

  async function taken() {
    if (!video.videoWidth) return;
    const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
    stop();
    take(blob, "camera.png");
  }

  return place;
}

/** A button that records, until it is pressed again: `take(blob, name)`. */
export function microphone(take) {
  const status = make("span", { class: "small", role: "status" });
  const button = make("button", { type: "button", class: "record", "aria-pressed": "false", click: pressed }, "Record");
  const level = make("meter", { class: "level", min: 0, max: 1, hidden: true, "aria-label": "Loudness" });
  const place = make("span", { class: "capture" }, button, level, status);
  let running = null;

  async function pressed() {
    if (running) finish();
    else await start();
  }

  async function start() {
    status.textContent = "";
    let stream;
    try {
      const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (fault) {
      status.textContent = refused(fault, "microphone");
      return;
    }
    const context = new AudioContext();
    await context.audioWorklet.addModule(new URL("pages/recorder.js", root));
    const recorder = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    const pieces = [];
    let count = 0;
    recorder.port.onmessage = ({ data }) => {
      pieces.push(data);
      count += data.length;
      level.value = Math.min(1, 4 * Math.sqrt(data.reduce((sum, each) => sum + each * each, 0) / data.length));
      status.textContent = `${(count / context.sampleRate).toFixed(1)} s`;
      if (count > LONGEST_SECONDS * context.sampleRate) finish();
    };
    context.createMediaStreamSource(stream).connect(recorder);
    running = { stream, context, pieces };
    button.textContent = "Stop";
    button.setAttribute("aria-pressed", "true");
    level.hidden = false;
  }

  function finish() {
    const { stream, context, pieces } = running;
    running = null;
    stream.getTracks().forEach((track) => track.stop());
    context.close();
    button.textContent = "Record";
    button.setAttribute("aria-pressed", "false");
    level.hidden = true;
    if (pieces.length) take(new Blob([toWav(pieces, context.sampleRate)], { type: "audio/wav" }), "recording.wav");
  }

  return place;
}
