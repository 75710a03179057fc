"""Weights from the Hugging Face hub: from the local cache, else over the network, else an error within a second.

Left to itself `transformers` tries an unreachable hub for 24 seconds. Nothing here imports torch or transformers.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from drivetrain import files
from drivetrain.errors import DrivetrainError, UsageError

PROBE_SECONDS = 0.6
CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
WANTED = [
    CONFIG,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "preprocessor_config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-*.safetensors",
]


class Unreachable(DrivetrainError):
    """The hub can't be reached and the weights are not in the local cache."""


def fetch(name: str) -> Path:
    """The folder with configuration and safetensors of `owner/name` on the hub, downloaded when it must be.

    Raises Unreachable, within a second, where there is no network; UsageError where the hub has no such model or
    only pickled weights.
    """
    found = cached(name)
    if found is not None:
        return found
    reason = offline() or unreachable()
    if reason:
        raise Unreachable(
            f"the weights are not on this machine and {reason}.", where=name,
            fix=f"On a machine with network run 'hf download {name} --local-dir FOLDER', copy the folder here "
                f"and give its path as the model.",
        )  # fmt: skip
    return _download(name)


def configuration(folder: Path) -> dict[str, Any]:
    """What the config.json of a model's folder says. Raises DrivetrainError where it can't be read."""
    return read_json(folder / CONFIG)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises FileError, DrivetrainError."""
    try:
        record = files.from_json(path.read_bytes(), where=path)
    except OSError as fault:
        raise files.file_error(fault, path) from fault
    if not isinstance(record, dict):
        raise UsageError("this must be a JSON object.", where=path)
    return record


def reads_texts(folder: Path) -> bool:
    """Whether the model in a folder reads texts: its configuration has a vocabulary, and nothing of pictures."""
    config = configuration(folder)
    return "vocab_size" in config and not any(name in config for name in ("vision_config", "image_size"))


def cached(name: str) -> Path | None:
    """The snapshot folder of `name` in the local cache, if it holds a configuration and safetensors."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(name, CONFIG)
        weights = [try_to_load_from_cache(name, file) for file in WEIGHTS]
    except HFValidationError as fault:
        raise UsageError("this can't be the name of a model on the hub.", where=name) from fault
    if isinstance(config, str) and any(isinstance(file, str) for file in weights):
        return Path(config).parent
    return None


def offline() -> str:
    """Why the hub must not be asked, if the environment says so."""
    from huggingface_hub.constants import is_offline_mode

    return "HF_HUB_OFFLINE forbids to download them" if is_offline_mode() else ""


def unreachable() -> str:
    """Why the hub (or the proxy before it) does not answer; empty when it does. Takes at most PROBE_SECONDS.

    The connection is tried in a thread, because looking up a host name has no time limit of its own.
    """
    host, port = _address()
    answer: list[str] = []

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
        except OSError as fault:
            answer.append(f"{host} can't be reached ({fault.strerror or fault})")
        else:
            answer.append("")

    prober = threading.Thread(target=connect, name="hub probe", daemon=True)
    start = time.monotonic()
    prober.start()
    prober.join(max(0.0, PROBE_SECONDS - (time.monotonic() - start)))
    return answer[0] if answer else f"{host} does not answer within {PROBE_SECONDS:g} s"


def _address() -> tuple[str, int]:
    """Host and port to connect to: the hub's, or those of the proxy that the environment names."""
    from huggingface_hub.constants import ENDPOINT

    target = urllib.parse.urlsplit(os.environ.get("HF_ENDPOINT") or ENDPOINT)
    proxy = urllib.request.getproxies().get(target.scheme)
    if proxy and not urllib.request.proxy_bypass(target.hostname or ""):
        target = urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return target.hostname or "huggingface.co", target.port or (80 if target.scheme == "http" else 443)


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    try:
        folder = Path(snapshot_download(name, allow_patterns=WANTED))
    except GatedRepoError as fault:
        raise DrivetrainError(
            "this model is gated.",
            where=name,
            fix="Accept its terms on the hub and log in with 'hf auth login'.",
        ) from fault
    except RepositoryNotFoundError as fault:
        raise UsageError(
            "the hub has no public model of this name, and there is no such folder here.", where=name,
            fix="Check the spelling.",
        ) from fault  # fmt: skip
    except (HfHubHTTPError, OSError) as fault:
        first = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise Unreachable(f"the download failed: {first}", where=name, fix="Try again.") from fault
    if not any((folder / file).is_file() for file in WEIGHTS):
        raise UsageError(
            "this model has no safetensors weights; pickled ones can run code and are not loaded.", where=name,
            fix="Choose a model that has a model.safetensors.",
        )  # fmt: skip
    return folder
