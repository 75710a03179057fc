"""The tables of a store, by their version: each step leads from one version to the next, and a store of any older one is brought up
to date when it is opened. A step that was published is never changed."""

from __future__ import annotations

STEPS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE drivetrain_records (number {number}, id {text} NOT NULL UNIQUE, time {integer} NOT NULL, "
        "model {text} NOT NULL, version {integer} NOT NULL, bundle {text} NOT NULL, key {text}, inputs {text}, "
        "answer {text} NOT NULL, "
        "probability {real}, latency_ms {real}, request {text} NOT NULL, source {text} NOT NULL, outcome {text}, "
        "outcome_time {integer})",
        "CREATE INDEX drivetrain_records_time ON drivetrain_records (model, time)",
        "CREATE INDEX drivetrain_records_key ON drivetrain_records (model, key) WHERE key IS NOT NULL",
        # Who was forgotten, as a keyed digest: a journal that turns up later must not bring them back.
        "CREATE TABLE drivetrain_forgotten (model {text} NOT NULL, field {text} NOT NULL, digest {text} NOT NULL, "
        "time {integer} NOT NULL, dropped {integer} NOT NULL, PRIMARY KEY (model, field, digest))",
        # What is kept of each model, as a server was told last: for how long, and for jobs that answer beside it.
        "CREATE TABLE drivetrain_kept (model {text} PRIMARY KEY, keep_days {real} NOT NULL, kept {text} NOT NULL)",
    ),
)
META = "CREATE TABLE IF NOT EXISTS drivetrain_meta (name {text} PRIMARY KEY, value {text} NOT NULL)"
