"""One neuron learns y = 2x - 1 from six points. Expected: 19 for 10, weight near 2, bias near -1; a second."""

from torch import nn

import drivetrain as dt

block = dt.DataBlock(
    inputs={"x": dt.Number(scaling="none")},
    targets={"y": dt.Number(scaling="none")},
    split=dt.split.none(),
)
line = block.from_columns({"x": [-1, 0, 1, 2, 3, 4], "y": [-3, -1, 1, 3, 5, 7]}, name="line")
neuron = nn.Linear(1, 1)
learner = line.learner(neuron, optimizer="sgd", weight_decay=0.0, quiet=True)
learner.fit(200, lr=0.05, schedule="constant")
print(f"for 10 it says {learner.predict(10).value:.3f}")
print(f"weight {neuron.weight.item():.3f}, bias {neuron.bias.item():.3f}")
