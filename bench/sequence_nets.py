"""A training step of each network of series, beside a bare torch loop of the same network.

Claim: our step takes at most 1.05 times that of the bare loop.
Method: one thread, seconds of CPU. Forecasts: ETTh1-OT, 24 hours ahead, windows of the default length, gathered by index from
the one array of moments by ours, and from one tensor of windows in memory by the bare loop. Sensors: indoor_movement_rss,
sequences of different lengths in batches of similar lengths, gathered by ours and by the bare loop with torch's pad_sequence. The
bare loop has the same batches, modules and loss, fused AdamW, and does nothing beside training but add up the loss; it has no
epochs, checks of numbers, schedules or hooks. The two take turns in five interleaved passes after one that isn't counted, and a
ratio is of the two beside each other.
What limits it: what ours does beside training (the error that is shown, the check of each loss, the schedule) is some 0.1 ms a
step, whatever the network: up to a tenth of a step of 1 ms (sensors: lstm, tcn). Of forecasts it is made up for by the copying
of windows, each in one piece.
Machine, n and date: in results/sequence_nets.json.  Run: python bench/sequence_nets.py [MODEL ...]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from common import data_folder, our_batches, spread, write_result
from series_sets import SETS, rounded

import drivetrain as dt
from drivetrain.data.loader import shuffled
from drivetrain.learn.learner import Learner
from drivetrain.memory import kept_memory

PASSES, ASKED = 5, 1.05
SECONDS, LEAST, MOST = 0.6, 20, 400
"""A pass takes about so long, of as many batches."""
FORECASTS = ("nlinear", "dlinear", "mlp", "nhits", "tcn", "patch", "rnn", "lstm", "gru")
SENSORS = ("conv1d", "lstm", "gru", "tcn", "transformer")


def sensors() -> Any:
    folder = data_folder("indoor_movement_rss")
    return dt.sequence_classification.from_csv(
        folder / "sequences.csv", sequence="sequence_id", target="label", labels=folder / "labels.csv", order="step",
    )  # fmt: skip


def bare_pass(
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    gathered: Callable[[torch.Tensor], dict[str, torch.Tensor]],
    batches: list[torch.Tensor],
) -> float:
    started, total = time.process_time(), 0.0
    network.train()
    ((name, head),) = network.heads.items()  # type: ignore[operator]
    for chosen in batches:
        batch = gathered(chosen)
        loss = head.loss(network(batch)[name], batch[name])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        total += loss.item()
    return time.process_time() - started


def gatherer(rows: Any) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    """Batches as one has them in a loop of one's own: from all windows in one tensor; sequences of different lengths padded."""
    if rows.lengths is None:
        whole = rows.gather(torch.arange(len(rows)))
        return lambda chosen: {field: values[chosen] for field, values in whole.items()}
    singles = [rows.gather(torch.tensor([row])) for row in range(len(rows))]
    sequences = [one["series"][0] for one in singles]
    rest = {name: torch.cat([one[name] for one in singles]) for name in singles[0] if name != "series"}

    def gathered(chosen: torch.Tensor) -> dict[str, torch.Tensor]:
        padded = torch.nn.utils.rnn.pad_sequence([sequences[row] for row in chosen.tolist()], True)
        return {"series": padded, **{name: values[chosen] for name, values in rest.items()}}

    return gathered


def measured(data: Any, model: str) -> dict[str, Any]:
    learner, beside = (Learner(data, model, quiet=True) for _ in range(2))
    rows: Any = learner.tensors("train")
    size = learner.settings.batch_size
    order = torch.Generator().manual_seed(0)
    batches = shuffled(len(rows), size, order, True, rows.lengths)
    batches *= 1 + MOST // len(batches)
    gathered = gatherer(rows)
    groups = [
        {"params": [p for p in beside.network.parameters() if (p.ndim > 1) == many], "weight_decay": decay}
        for many, decay in ((True, 0.01), (False, 0.0))
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=True)
    first = batches[:10]
    bare_pass(beside.network, optimizer, gathered, first)
    count = int(SECONDS * 10 / bare_pass(beside.network, optimizer, gathered, first))
    batches = batches[: max(LEAST, min(MOST, count))]
    times: dict[str, list[float]] = {"bare": [], "ours": []}
    for turn in range(PASSES + 1):
        for kind in ("bare", "ours")[:: 1 if turn % 2 else -1]:
            if kind == "bare":
                seconds = bare_pass(beside.network, optimizer, gathered, batches)
            else:
                seconds = our_batches(learner, batches)
            if turn:
                times[kind].append(seconds)
    ratio = spread([mine / plain for mine, plain in zip(times["ours"], times["bare"])])
    return {
        "parameters": sum(p.numel() for p in learner.network.parameters()), "batch": size, "batches a pass": len(batches),
        "milliseconds a step": {kind: 1000 * spread(values)["median"] / len(batches) for kind, values in times.items()},
        "ratio": ratio, "holds": ratio["median"] <= ASKED,
    }  # fmt: skip


def main() -> None:
    wanted = sys.argv[1:]
    found: dict[str, dict[str, Any]] = {}
    for kind, models, make in (
        ("forecasts", FORECASTS, lambda: SETS["ETTh1-OT"].data(valid=0.2)),
        ("sensors", SENSORS, sensors),
    ):
        chosen = [model for model in models if not wanted or model in wanted]
        data = make() if chosen else None
        found[kind] = {model: measured(data, model) for model in chosen}
    holds = all(one["holds"] for kind in found.values() for one in kind.values())
    write_result(
        "sequence_nets",
        "a step of each network of series takes at most 1.05 times that of a bare torch loop",
        {**rounded(found), "passes": PASSES, "holds": holds},
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    with kept_memory():  # For the bare loop too: it is one process.
        main()
