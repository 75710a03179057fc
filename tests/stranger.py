"""A reader of bundles that generate, as somebody writes it who has FORMAT.md and OPS.md and nothing else of ours."""

import hashlib
import io
import json
import math
import zipfile

import numpy as np
import onnxruntime

ALL = (1 << 64) - 1


def read(path):
    """Name -> content of each member, when the manifest names their hashes."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    digest = hashlib.sha256(members["manifest.json"]).hexdigest()
    assert members["manifest.sha256"] == f"{digest}\n".encode()
    manifest = json.loads(members["manifest.json"])
    assert manifest["format"] in (5, 7)
    for name, content in members.items():
        if not name.startswith("manifest."):
            assert manifest["members"][name]["sha256"] == hashlib.sha256(content).hexdigest()
    return members, manifest


class Reader:
    def __init__(self, path):
        self.members, self.manifest = read(path)
        self.program, self.graphs = self.manifest["program"], self.manifest["graphs"]
        assert self.program["name"] == "generate"
        self.sessions = {
            name: onnxruntime.InferenceSession(
                self.members[f"{name}.onnx"],
                providers=["CPUExecutionProvider"],
                disabled_optimizers=["ConstantFolding"],
            )
            for name in self.graphs
        }
        signature = json.loads(self.members["signature.json"])
        assert all(spec["op"] == "tokens@1" for side in signature.values() for spec in side.values())
        self.cases = json.loads(self.members["golden/cases.json"])["cases"]

    def prompt(self, number):
        """Raw value, read and encoded alike: tokens@1."""
        (field,) = json.loads(self.members["signature.json"])["inputs"]
        return json.loads(self.members[f"golden/{number:04}.{field}.raw"])

    def golden(self, number, name):
        return np.load(io.BytesIO(self.members[f"golden/{number:04}.{name}.npy"]), allow_pickle=False)

    def run(self, graph, feeds):
        names = [output.name for output in self.sessions[graph].get_outputs()]
        return dict(zip(names, self.sessions[graph].run(names, feeds)))

    def begin(self, prompt):
        first = [] if self.program["start"] is None else [self.program["start"]]
        made = {}
        if "prefill" in self.graphs:
            (field,) = self.graphs["prefill"]["inputs"].values()
            row = np.array([prompt or [0]], np.int64)  # tokens@1 pads with 0, to a length of 1 at least.
            made = self.run("prefill", {field["tensor"]: row, field["lengths"]: np.array([len(prompt)])})
        else:
            first = first + prompt
        state = {}
        for name, port in self.graphs["step"]["state"].items():
            zeros = np.zeros([1, *(side or 0 for side in port["dims"][1:])], port["dtype"])
            state[name] = made[name] if port["first"] == "prefill" else zeros
        if "logits" in made:
            return made["logits"], state, 0
        return *self.feed(np.array([first]), state), len(first)

    def feed(self, tokens, state):
        size = self.graphs["step"]["inputs"]["tokens"]["dims"][1] or tokens.shape[1]
        for start in range(0, tokens.shape[1], size):
            made = self.run("step", {"tokens": tokens[:, start : start + size], **state})
            state = {
                name: state[name] if port["next"] is None else made[port["next"]]
                for name, port in self.graphs["step"]["state"].items()
            }
        return made["logits"], state

    def write(self, prompt, strategy, most):
        logits, state, taken = self.begin(prompt)
        most = min(most, self.program["longest"] - taken)
        if strategy["name"] == "beam":
            return self.beam(logits, state, strategy, most)
        tokens = []
        while True:
            row = [float(number) for number in logits[0]]
            for token in self.program.get("never", []):
                row[token] = -math.inf
            if strategy["name"] == "greedy":
                token = row.index(max(row))
            else:
                token = sample(row, strategy, random(strategy["seed"], len(tokens)))
            tokens.append(token)
            if token in self.program["stop"] or len(tokens) == most:
                return tokens
            logits, state = self.feed(np.array([[token]]), state)

    def beam(self, logits, state, strategy, most):
        width, penalty = strategy["width"], strategy.get("length_penalty", 1)
        going, done = [([], 0.0)], []
        while True:
            found = []
            for row, (tokens, score) in enumerate(going):
                numbers = [float(number) for number in logits[row]]
                for token in self.program.get("never", []):
                    numbers[token] = -math.inf
                most_of = max(numbers)
                whole = math.log(sum(math.exp(number - most_of) for number in numbers))
                for token, number in enumerate(numbers):
                    if number > -math.inf:
                        found.append((score + (number - most_of - whole), row, [*tokens, token]))
            found.sort(key=lambda one: -one[0])
            going, rows = [], []
            for score, row, tokens in found[: width - len(done)]:
                if tokens[-1] in self.program["stop"] or len(tokens) == most:
                    done.append((score / len(tokens) ** penalty, tokens))
                else:
                    going.append((tokens, score))
                    rows.append(row)
            if not going:
                return max(done, key=lambda one: one[0])[1]
            state = {name: array[rows] for name, array in state.items()}
            logits, state = self.feed(np.array([tokens[-1:] for tokens, _ in going]), state)


def random(seed, place):
    word = (seed + (place + 1) * 0x9E3779B97F4A7C15) & ALL
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & ALL
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & ALL
    return ((word ^ (word >> 31)) >> 11) / (1 << 53)


def sample(row, strategy, number):
    order = sorted(range(len(row)), key=lambda token: -row[token])
    order = order[: strategy["top_k"] or len(order)]
    sums, total = [], 0.0
    for token in order:
        total += math.exp(row[token] / strategy["temperature"] - row[order[0]] / strategy["temperature"])
        sums.append(total)
    last = next(place for place, part in enumerate(sums) if part >= strategy["top_p"] * total)
    sums = sums[: last + 1]
    return order[next((place for place, part in enumerate(sums) if part > number * sums[-1]), last)]
