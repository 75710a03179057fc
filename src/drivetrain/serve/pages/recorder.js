// Runs beside the page's other work: hands on what the microphone hears, some 4,096 samples at a time.

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = new Float32Array(4096);
    this.filled = 0;
  }

  process([[channel]]) {
    if (!channel) return true;
    this.samples.set(channel, this.filled);
    this.filled += channel.length;
    if (this.filled === this.samples.length) {
      this.port.postMessage(this.samples.slice());
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
