"""KServe: an InferenceService whose predictor is our server, which speaks the protocol that KServe asks for."""

from __future__ import annotations

from typing import Any

from drivetrain.deploy.as_yaml import as_yaml
from drivetrain.deploy.kubernetes import MOST_REPLICAS, REPLICAS, container, settings, volumes
from drivetrain.deploy.plan import Plan


def described(plan: Plan) -> dict[str, Any]:
    """serving.kserve.io/v1beta1 with a container of our own: one port, as KServe's router wants it."""
    server = container(plan)
    # KServe calls the one container so, and routes to its only port.
    server |= {"name": "kserve-container", "ports": [{**server["ports"][0], "name": "http1"}]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        server[probe] = {**server[probe], "httpGet": {**server[probe]["httpGet"], "port": "http1"}}
    server["env"] = [{"name": "PROTOCOL", "value": "v2"}]
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": plan.name, "annotations": {"serving.kserve.io/deploymentMode": "RawDeployment"}},
        "spec": {
            "predictor": {
                "minReplicas": REPLICAS,
                "maxReplicas": MOST_REPLICAS,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 40,
                "containers": [server],
                "volumes": volumes(plan),
            }
        },
    }


def files(plan: Plan) -> dict[str, bytes]:
    names = ", ".join(sorted({each.name for each in plan.models}))
    head = f"# kubectl apply -f kserve.yaml\n# Models, at /v2/models/NAME/infer: {names}\n"
    return {"kserve.yaml": f"{head}{as_yaml(*settings(plan), described(plan))}".encode()}
