"""Bundles at work for many callers: REST and gRPC, versions, batches, records. No torch, ever.

A request's way is one page, `path.py`:

    parse -> read -> encode -> batch -> session -> decode -> record -> render

types.py          what flows through the server, and what is refused
http/             from bytes to a Request: limits, deadlines, TLS;   access.py, routes.py, refusals.py, strict_json.py beside it
grpc/             the same for gRPC, with its own services
protocols/        parse and render, one file a protocol: inference (v2), tfserving (v1), models, generation, outcomes, pages ...
  items.py, forms.py, multipart.py, raw.py      raw values as the friendly routes take them
  tensors.py, tf_values.py, model_config.py     tensors and metadata as the two standard protocols have them
server.py         the callable that they ask
path.py           READ, ENCODE, DECODE, RECORD;   batcher.py: BATCH;   recording.py, shadow.py: what follows an answer
programs/         what a version does for each program of a bundle;   ports.py: its arrays;   servable.py: from bundle to version

Which version answers:   repository.py, which puts together source.py, fetch.py, layout.py, loading.py and board.py;   router.py
The process:             supervise.py (the parent), run.py (a worker), sockets.py, quarantine.py
What is told of it:      counters.py, prometheus.py, logs.py, tracing.py
What it is told:         settings.py, load_settings.py

Nothing is imported here: the parent of the workers has no numpy.
"""
