"""The verbs, one file each: HELP and EXAMPLE, `add` its options, `act` on them, `show` the answer to a person."""

VERBS = (
    "train",
    "check",
    "show",
    "labels",
    "curve",
    "tune",
    "compare",
    "export",
    "verify",
    "predict",
    "anomalies",
    "refit",
    "evaluate",
    "recommend",
    "similar",
    "generate",
    "embeddings",
    "serve",
    "deploy",
    "records",
    "decide",
)
"""In the order of --help."""
