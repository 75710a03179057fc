"""serve.toml and the command line: what is meant is taken, a typo dies with the word that was meant."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.serve.load_settings import load_settings
from drivetrain.serve.settings import Batching, Kept

WHOLE = """
[server]
path = "models"
http = 8080
grpc = 8081
workers = 2
reload_seconds = 2
records = "sqlite:///records.db"

[limits]
body = 1000

[access]
admin = true
origins = ["https://example.org"]
certificate = "tls/cert.pem"
private_key = "tls/key.pem"

[[access.keys]]
name = "ops"
sha256 = "{digest}"
rights = ["infer", "read", "admin"]
models = ["houses"]

[defaults.batching]
most = 8
delay_ms = 1

[defaults.records]
share = 0.5

[models.houses]
keep = 2
sticky = "X-User"
shadow = ["challenger"]
labels = {{champion = 3, challenger = 4}}
traffic = {{champion = 0.9, challenger = 0.1}}
batching = {{delay_ms = 2}}

[models.far]
path = "s3://bucket/far"
""".format(digest="0" * 64)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "serve.toml"
    path.write_text(text)
    return path


def test_every_table_is_taken(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, WHOLE))
    houses, other = settings.models["houses"], settings.defaults
    assert settings.path == str(tmp_path / "models")
    assert (settings.http, settings.grpc) == (8080, 8081)
    assert settings.limits.body == 1000
    assert settings.access.certificate == str(tmp_path / "tls/cert.pem")
    assert settings.access.keys[0].rights == ("infer", "read", "admin")
    assert settings.access.keys[0].models == ("houses",)
    assert houses.batching == Batching(most=8, delay_ms=2)
    assert other.batching == Batching(most=8, delay_ms=1)
    assert houses.records == other.records == Kept(share=0.5)
    assert houses.labels == {"champion": 3, "challenger": 4}
    assert houses.shadow == ("challenger",)
    assert settings.models["far"].path == "s3://bucket/far"


def test_what_is_redacted_of_all_models_is_redacted_of_each(tmp_path: Path) -> None:
    text = (
        "[server]\npath='x'\n[defaults.records]\nredact=['ssn']\n[models.a.records]\nredact=['name', 'ssn']\n"
    )
    settings = load_settings(written(tmp_path, text))
    assert settings.models["a"].records == Kept(redact=("ssn", "name"))


def test_the_command_line_wins(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, WHOLE), path="other", http=0, grpc=False, workers=None)
    assert (settings.path, settings.http, settings.grpc, settings.workers) == ("other", 0, None, 2)
    assert load_settings(path="models").http == 8000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[sever]\n", "Did you mean server?"),
        ("[server]\nhtpp = 1\n", "Did you mean http"),
        ("[server]\nhttp = '8000'\n", "must be a whole number, not '8000'"),
        ("[server]\nhttp = 70000\n", "a number up to 65535"),
        ("[server]\nworkers = 0\n", "at least 1 worker"),
        ("[server]\nhttp = false\n", "answers nobody"),
        ("[limits]\nbody = -1\n", "must be 0 or more"),
        ("[limits]\nbody = true\n", "must be a whole number"),
        ("[limits]\nseconds_to_answer = inf\n", "must be a finite number"),
        ("server = 3\n", "must be a table"),
        ("[models]\nhouses = 3\n", "must be a table"),
        ("[models.'../x']\n", "can't be called"),
        ("[models.a]\nlables = {}\n", "Did you mean labels?"),
        ("[models.a.labels]\ncanary = '4'\n", "each a whole number"),
        ("[models.a.labels]\n7 = 4\n", "can't be called '7'"),
        ("[models.a]\nlabels = {canary = 4}\ntraffic = {canari = 1.0}\n", "Did you mean canary?"),
        ("[models.a]\nlabels = {canary = 4}\ntraffic = {canary = 0.5}\n", "the shares add up to 0.5"),
        ("[models.a]\ntraffic = {1 = 1.5, 2 = -0.5}\n", "between 0 and 1"),
        ("[models.a]\nshadow = ['canary']\n", "no label of this model"),
        ("[models.a]\nkeep = 0\n", "at least 1 version"),
        ("[models.a]\nversions = [-1]\n", "there is no version -1"),
        ("[server]\nport = 8000\n", "there is no 'port'. Did you mean http?"),
        ("[access]\ncors = []\n", "there is no 'cors'. Did you mean origins?"),
        ("[models.a.batching]\nmots = 1\n", "Did you mean most?"),
        ("[models.a.records]\nshare = 2\n", "between 0 and 1"),
        ("[models.a.records]\ninputs = 'all'\n", 'must be "read" or "summary" or "none"'),
        ("[defaults.labels]\na = 1\n", "of one model alone"),
        ("[access]\nadmin = true\n", "no key may use them"),
        ("[access]\ncertificate = 'x'\n", "needs its private key"),
        ("[[access.keys]]\nname = 'a'\n", "needs 'sha256'"),
        ("[[access.keys]]\nname = 'a'\nsha256 = 'secret'\n", "64 hexadecimal digits"),
        (
            "[[access.keys]]\nname = 'a'\nsha256 = '" + "0" * 64 + "'\nrights = ['reed']\n",
            "Did you mean read?",
        ),
        ("[server\n", "this is not TOML"),
        ("[server]\nport = 1\n[server]\n", "this is not TOML"),
    ],
)
def test_what_can_not_be_meant_says_where_and_what_was_meant(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError) as fault:
        load_settings(written(tmp_path, text), path="models")
    assert says in str(fault.value)
    assert "serve.toml" in fault.value.where + str(fault.value)


def test_nothing_to_serve(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to serve"):
        load_settings()
    with pytest.raises(DrivetrainError, match="no such file"):
        load_settings(tmp_path / "none.toml", path="models")


def test_the_parent_process_needs_no_numpy() -> None:
    code = (
        "import sys, drivetrain.serve.load_settings, drivetrain.serve.board; "
        "sys.exit('numpy' in sys.modules or 'onnxruntime' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
