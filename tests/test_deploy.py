"""What is written for other systems: it fits their schemas, names what is there, and runs."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import types
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from serving import simple_bundle

from drivetrain.bundle import open_bundle
from drivetrain.cli.main import main
from drivetrain.cli.verbs import serve
from drivetrain.deploy import compose, kserve, kubernetes
from drivetrain.deploy.as_yaml import as_yaml
from drivetrain.deploy.plan import planned
from drivetrain.deploy.requirements import STRIPPED, pinned, size
from drivetrain.deploy.triton_step import Step
from drivetrain.deploy.write import TARGETS, write
from drivetrain.errors import DataError, FileError, UsageError
from drivetrain.runtime import OnnxSession, Predictor
from drivetrain.serve.load_settings import load_settings

BUNDLES = Path(__file__).parent / "bundles"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, version, bundle in (
        ("houses", 1, "format-1-houses"),
        ("pictures", 3, "format-1-pictures"),
        ("writer", 1, "format-5-writer"),
    ):
        (folder / name / str(version)).mkdir(parents=True)
        shutil.copy(BUNDLES / f"{bundle}.bundle", folder / name / str(version) / "any.bundle")
    return folder


@pytest.fixture(scope="module")
def written(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "deploy"
    write(str(models), str(out), [*TARGETS])
    return out


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.sampled_from("abnoy-. 1"), min_size=1, max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(values)
def test_yaml_is_read_as_what_it_was_written_from(value: Any) -> None:
    assert yaml.safe_load(as_yaml(value)) == value


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b"]), values, min_size=1), min_size=1, max_size=3))
def test_documents_stay_apart(documents: list[Any]) -> None:
    assert [*yaml.safe_load_all(as_yaml(*documents))] == documents


def test_kubernetes_fits_the_schemas_of_kubernetes(models: Path) -> None:
    validate = pytest.importorskip("kubernetes_validate").validate
    documents = kubernetes.documents(planned(str(models), "registry.example.org/team/Flowers".lower()))
    for document in documents:
        validate(document, "1.31", strict=True)
    broken = json.loads(json.dumps(documents[1]))
    broken["spec"]["template"]["spec"]["containers"][0]["portz"] = []
    with pytest.raises(Exception, match="portz"):
        validate(broken, "1.31", strict=True)


def test_what_kubernetes_asks_for_is_there(models: Path) -> None:
    _, deployment, service, budget, scaler = kubernetes.documents(planned(str(models)))
    template = deployment["spec"]["template"]
    (server,) = template["spec"]["containers"]
    for chosen in (
        deployment["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        budget["spec"]["selector"]["matchLabels"],
    ):
        assert chosen.items() <= template["metadata"]["labels"].items()
    named = {port["name"] for port in server["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= named
    assert {
        server[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "readiness", "liveness")
    } <= named
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert server["volumeMounts"][0]["name"] == template["spec"]["volumes"][0]["name"]


def test_kserve_is_a_pod_within_an_inference_service(models: Path) -> None:
    validate = pytest.importorskip("kubernetes_validate").validate
    service = kserve.described(planned(str(models)))
    own = {"minReplicas", "maxReplicas"}
    predictor = service["spec"]["predictor"]
    assert own <= predictor.keys()
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a"},
        "spec": {k: v for k, v in predictor.items() if k not in own},
    }
    validate(pod, "1.31", strict=True)
    assert [port["name"] for port in predictor["containers"][0]["ports"]] == ["http1"]


def test_the_files_are_what_is_described(written: Path, models: Path) -> None:
    plan = planned(str(models))
    assert [*yaml.safe_load_all((written / "kubernetes.yaml").read_text())] == kubernetes.documents(plan)
    assert [*yaml.safe_load_all((written / "kserve.yaml").read_text())][-1] == kserve.described(plan)
    found = yaml.safe_load((written / "compose.yaml").read_text())
    assert found == compose.described(plan)
    assert (written / found["services"]["server"]["build"]["dockerfile"]).exists()


def _serve(command: list[str]) -> Namespace:
    """What the verb `serve` makes of a command, which is all of an image's arguments."""
    assert command[0] == "serve"
    parser = ArgumentParser()
    serve.add(parser)
    return parser.parse_args(command[1:])


def test_the_pods_are_started_with_the_settings_that_are_mounted(models: Path, tmp_path: Path) -> None:
    config = tmp_path / "serve.toml"
    config.write_text("[models.houses]\nlabels = { champion = 1 }\n")
    for plan in (planned(str(models)), planned(str(models), config=str(config))):
        documents = kubernetes.documents(plan)
        pod = next(each for each in documents if each["kind"] == "Deployment")["spec"]["template"]["spec"]
        options = _serve(pod["containers"][0]["args"])
        mounted = {
            f"{mount['mountPath']}/serve.toml": mount["name"]
            for mount in pod["containers"][0]["volumeMounts"]
        }
        assert {each["name"] for each in pod["volumes"]} == {
            each["name"] for each in pod["containers"][0]["volumeMounts"]
        }
        if plan.config:
            assert options.config == "/serve.toml"
            continue
        assert mounted[options.config] == "config"
        (kept,) = [each["data"]["serve.toml"] for each in documents if each["kind"] == "ConfigMap"]
        (tmp_path / "kept.toml").write_text(kept)
        assert load_settings(tmp_path / "kept.toml", path=str(models)).access.hosts == ("*",)


@pytest.mark.parametrize("name", ["Containerfile", "space/Dockerfile"])
def test_a_containerfile_copies_what_is_there_and_starts_what_there_is(written: Path, name: str) -> None:
    file = written / name
    text = file.read_text().replace("\\\n", " ")
    stages = dict(re.findall(r"^FROM (\S+)(?: AS (\S+))?", text, re.M))
    assert "build" in stages.values()
    for line in re.findall(r"^COPY (?!--from)(.+)", text, re.M):
        for source in line.split()[:-1]:
            assert (file.parent / source).exists(), source
    assert 'ENTRYPOINT ["python3", "-m", "drivetrain"]' in text
    (entry,) = re.findall(r"^CMD (.+)", text, re.M)
    options = _serve(json.loads(entry))
    assert options.path == "/models"
    assert re.search(rf"^EXPOSE {options.http} {options.grpc}$", text, re.M)
    assert "USER nonroot" in text
    assert len(json.loads(re.findall(r"CMD (\[.+\])", text)[0])) == 3


def test_the_space_says_what_it_is(written: Path) -> None:
    page = (written / "space/README.md").read_text()
    about = yaml.safe_load(page.split("---")[1])
    assert about["sdk"] == "docker"
    assert f"EXPOSE {about['app_port']} " in (written / "space/Dockerfile").read_text()


def test_the_image_is_below_250_megabytes() -> None:
    """The packages as they lie on this disk, what is stripped left out, and Debian's Python below them by Debian's own figures."""
    packages = size([*pinned(("serve",))])
    assert packages < size([*pinned(("serve",))], ())
    assert packages / 1e6 < 190


@pytest.mark.slow
def test_the_base_image_and_the_packages_together(written: Path) -> None:
    """The base image is these packages of Debian's (distroless's bookworm_python.yaml), of which dpkg says the size."""
    names = [
        "base-files", "tzdata", "netbase", "ca-certificates", "libc6", "libssl3", "libgcc-s1", "libgomp1", "libstdc++6",
        "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libexpat1", "zlib1g", "libffi8",
        "libsqlite3-0", "libbz2-1.0", "liblzma5", "libncursesw6", "libreadline8", "libtinfo6", "libuuid1", "libnsl2",
        "libtirpc3", "libdb5.3", "media-types",
    ]  # fmt: skip
    if not shutil.which("dpkg-query"):
        pytest.skip("no dpkg here")
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Installed-Size}\n", *names], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("another Debian: it hasn't these packages")
    base = sum(map(int, done.stdout.split())) * 1024
    assert base > 40e6
    assert (base + size([*pinned(("serve",))])) / 1e6 < 250


@pytest.mark.slow
def test_the_wheel_answers_without_what_is_stripped(written: Path, tmp_path: Path) -> None:
    """The wheel, installed into an empty folder beside copies of the packages as the image strips them, verifies a bundle."""
    (wheel,) = written.glob("*.whl")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-index",
        "--target",
        str(tmp_path),
    ]
    subprocess.run([*pip, str(wheel)], check=True)
    import importlib.metadata
    from fnmatch import fnmatch

    for name in pinned(("serve",)):
        for file in importlib.metadata.files(name) or ():
            path = file.as_posix()
            if not path.startswith("..") and not any(fnmatch(path, pattern) for pattern in STRIPPED):
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file.locate(), tmp_path / path)
    code = "import sys; from drivetrain.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [
        sys.executable,
        "-S",
        "-B",
        "-c",
        code,
        "verify",
        str(written / "models/houses/1/houses.bundle"),
        "--trusted",
    ]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "verified" in done.stdout


class Utilities(types.SimpleNamespace):
    """What Triton gives its Python backend: as much of it as a step uses, around the graphs of a repository."""

    TritonModelException = RuntimeError

    def __init__(self, repository: Path) -> None:
        class Tensor:
            def __init__(self, name: str, array: np.ndarray) -> None:
                self.name, self.array = name, array

            def as_numpy(self) -> np.ndarray:
                return self.array

        class Response:
            def __init__(self, tensors: list[Tensor]) -> None:
                self.tensors = {tensor.name: tensor for tensor in tensors}

            def has_error(self) -> bool:
                return False

        class Request(Response):
            def __init__(
                self, model_name: str, requested_output_names: list[str], inputs: list[Tensor]
            ) -> None:
                super().__init__(inputs)
                self.model, self.wanted = model_name, requested_output_names

            def exec(self) -> Response:
                (graph,) = (repository / self.model).glob("*/model.onnx")
                session = OnnxSession(graph.read_bytes())
                made = session.run({name: tensor.array for name, tensor in self.tensors.items()})
                return Response([Tensor(name, made[name]) for name in self.wanted])

        def by_name(reply: Response, name: str) -> Tensor:
            return reply.tensors[name]

        super().__init__(Tensor=Tensor, InferenceRequest=Request, InferenceResponse=Response)
        self.get_input_tensor_by_name = self.get_output_tensor_by_name = by_name


@pytest.mark.parametrize("name", ["houses", "pictures"])
def test_a_step_in_triton_answers_as_the_bundle_does(
    written: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = written / "triton/models"
    utilities = Utilities(repository)
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", utilities)  # type: ignore[arg-type]
    (file,) = (repository / name).glob("*/model.py")
    module = types.ModuleType("model")
    exec(compile(file.read_text(), str(file), "exec"), module.__dict__)
    model = module.TritonPythonModel()
    model.initialize({"model_repository": str(repository / name), "model_version": file.parent.name})
    (bundle,) = file.parent.glob("*.bundle")
    opened = open_bundle(bundle)
    raws = [
        {field: codec.from_bytes(case.raw[field]) for field, codec in opened.signature.inputs.items()}
        for case in opened.cases[:3]
    ]
    texts = [
        json.dumps(
            {
                field: base64.b64encode(raw).decode() if isinstance(raw, bytes) else raw
                for field, raw in item.items()
            }
        )
        for item in raws
    ]
    asked = utilities.InferenceRequest(
        "", [], [utilities.Tensor("item", np.array([[text.encode()] for text in [*texts, "{"]], object))]
    )
    (reply,) = model.execute([asked])
    answers = [json.loads(each) for each in reply.tensors["answer"].array.reshape(-1)]
    own = [Predictor(opened).predict(item).to_json() for item in raws]
    for found, wanted in zip(answers, own):
        assert {key: value for key, value in found.items() if key != "input"} == {
            key: value for key, value in wanted.items() if key != "input"
        }
    assert "error" in answers[-1]


def test_a_step_reads_no_files(written: Path, tmp_path: Path) -> None:
    """A text is base64 of a picture, never the path of one."""
    (bundle,) = (written / "triton/models/pictures").glob("*/*.bundle")
    picture = tmp_path / "secret.png"
    from PIL import Image

    Image.new("RGB", (8, 8)).save(picture)
    (answer,) = Step(str(bundle)).answer([json.dumps({"image": str(picture)}).encode()])
    assert "base64" in json.loads(answer)["error"]
    (answer,) = Step(str(bundle)).answer(
        [json.dumps({"image": base64.b64encode(picture.read_bytes()).decode()}).encode()]
    )
    assert "label" in json.loads(answer)


def test_triton_is_told_the_tensors_of_the_graph(written: Path) -> None:
    text = (written / "triton/models/houses_graph/config.pbtxt").read_text()
    session = OnnxSession((written / "triton/models/houses_graph/1/model.onnx").read_bytes())
    assert {*re.findall(r'name: "(\w+)" data_type', text)} == {*session.inputs, *session.outputs}
    assert not (written / "triton/models/writer_graph").exists()


@pytest.mark.slow
def test_triton_is_told_the_types_of_a_graph_that_was_made_elsewhere(tmp_path: Path) -> None:
    simple_bundle(tmp_path / "simple.bundle")
    write(str(tmp_path / "simple.bundle"), str(tmp_path / "out"), ["triton"])
    text = (tmp_path / "out/triton/models/simple_graph/config.pbtxt").read_text()
    assert text.count("data_type: TYPE_INT32 dims: [16]") == 4
    assert "FP32" not in text


CLIENTS = os.environ.get("DRIVETRAIN_CLIENTS")


def _in_clients(code: str, *arguments: str) -> str:
    """What a program prints in the environment that has Triton's and KServe's own packages."""
    done = subprocess.run(
        [str(CLIENTS), "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={},
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not CLIENTS, reason="DRIVETRAIN_CLIENTS names no Python with others' packages")
class TestAsOthersReadIt:
    def test_triton_reads_its_configuration(self, written: Path) -> None:
        """Triton's own description of a configuration parses each file, and finds no field unknown."""
        code = "import sys; from google.protobuf import text_format; from tritonclient.grpc import model_config_pb2 as m\n"
        code += "for path in sys.argv[1:]: print(text_format.Parse(open(path).read(), m.ModelConfig()).name)"
        files = sorted(map(str, (written / "triton/models").glob("*/config.pbtxt")))
        assert _in_clients(code, *files).split() == [Path(path).parent.name for path in files]

    def test_kserve_knows_each_field(self, models: Path) -> None:
        """KServe's own models of an InferenceService have each of its fields."""
        service = kserve.described(planned(str(models)))
        given = {
            "InferenceService": service,
            "InferenceServiceSpec": service["spec"],
            "PredictorSpec": service["spec"]["predictor"],
        }
        code = "import json, kserve.models as m\n"
        code += f"print(json.dumps({{n: [*getattr(m, 'V1beta1' + n).attribute_map.values()] for n in {[*given]!r}}}))"
        known = json.loads(_in_clients(code).splitlines()[-1])
        for name, record in given.items():
            assert record.keys() <= {*known[name]}, name


def test_binders_notebook_runs(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = json.loads((written / "binder/models.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    assert "serve" in cells.pop()
    monkeypatch.chdir(written / "binder")
    for code in cells:
        exec(code, {})
    assert len(cells) == 3
    assert (
        written / "binder" / (written / "binder/binder/requirements.txt").read_text().splitlines()[-1]
    ).exists()


def test_settings_go_along(models: Path, tmp_path: Path) -> None:
    config = tmp_path / "serve.toml"
    config.write_text("[models.houses]\nlabels = { champion = 1 }\n")
    out = tmp_path / "out"
    write(str(models), str(out), ["container"], config=str(config))
    assert tomllib.loads((out / "serve.toml").read_text()) == tomllib.loads(config.read_text())
    assert "/serve.toml" in (out / "Containerfile").read_text()


def test_what_cant_be_meant_is_told_and_nothing_is_written(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for targets, image, error in (
        ([], "a", UsageError),
        (["containers"], "a", UsageError),
        (["container"], "A B", UsageError),
    ):
        with pytest.raises(error):
            write(str(models), str(out), targets, image=image)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="no bundle"):
        write(str(tmp_path / "nothing"), str(out), ["container"])
    with pytest.raises(FileError, match="already"):
        write(str(models), str(models), ["container"])
    config = tmp_path / "serve.toml"
    config.write_text("[modles.houses]\n")
    with pytest.raises(UsageError, match="models"):
        write(str(models), str(out), ["container"], config=str(config))
    assert main(["deploy", str(tmp_path / "gone"), "--container", "--out", str(out)]) == 1
    assert "gone" in capsys.readouterr().err
    assert not out.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
