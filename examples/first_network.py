"""The first network, layer by layer: 64-128-32-10 on real handwritten digits. Expected: about 0.96 correct; seconds.

The last layer gives a score per class; softmax makes probabilities of them. The loss is cross-entropy, which
takes the scores, and the exported graph ends in the softmax.
"""

from sklearn.datasets import load_digits
from torch import nn

import drivetrain as dt

digits = load_digits()
data = dt.image_classification.from_arrays(
    (digits.images * 15.9375).astype("uint8"), digits.target, name="digits"
)
layers = nn.Sequential(
    nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 10)
)
learner = data.learner(layers, optimizer="sgd")
result = learner.fit(15, lr=0.1)
print(
    learner.predict((digits.images[0] * 15.9375).astype("uint8")).label,
    "is what it says of a",
    digits.target[0],
)
