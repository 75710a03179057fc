"""Certificates for tests of TLS, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

NAMES = "DNS:localhost,IP:127.0.0.1"


def certificates(folder: Path, signed: Mapping[str, str], strangers: tuple[str, ...] = ()) -> Path:
    """authority.pem; NAME.pem of each that it has `signed`, by its subject; of each of the `strangers` one that signed itself; and
    a NAME.key to each. Skips the test where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make certificates")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("authority", *strangers):
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
        openssl("req", "-x509", *key, *files, "-days", "2", "-subj", f"/CN={name}")
    (folder / "names").write_text(f"subjectAltName={NAMES}\n")
    for name, subject in signed.items():
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", f"{name}.pem",
        )  # fmt: skip
    return folder
