"""Kubernetes: a Deployment with probes, a Service, and as many copies as the queues ask for."""

from __future__ import annotations

from typing import Any

from drivetrain.deploy.as_yaml import as_yaml
from drivetrain.deploy.container import arguments
from drivetrain.deploy.plan import GRPC, HTTP, Plan

REPLICAS, MOST_REPLICAS = 2, 10
CONFIG = "/config"
QUEUE = "drivetrain_waiting_rows"
"""What the server's /metrics calls the rows that wait."""
ROWS_A_COPY = "32"


def container(plan: Plan) -> dict[str, Any]:
    """The container of a Pod: probes that ask the server itself, no root, nothing to write but memory."""
    return {
        "name": "server",
        "image": plan.image,
        "args": arguments("/serve.toml" if plan.config else f"{CONFIG}/serve.toml"),
        "ports": [
            {"name": "http", "containerPort": HTTP, "protocol": "TCP"},
            {"name": "grpc", "containerPort": GRPC, "protocol": "TCP"},
        ],
        "startupProbe": {**_probe("/health/ready"), "periodSeconds": 1, "failureThreshold": 120},
        "readinessProbe": {**_probe("/health/ready"), "periodSeconds": 5},
        "livenessProbe": {**_probe("/health/live"), "periodSeconds": 10, "failureThreshold": 3},
        "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            *([] if plan.config else [{"name": "config", "mountPath": CONFIG, "readOnly": True}]),
        ],
    }


def volumes(plan: Plan) -> list[dict[str, Any]]:
    """What is mounted: memory to write to, and the settings where the image has none of its own."""
    settings = {"name": "config", "configMap": {"name": plan.name}}
    return [
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}},
        *([] if plan.config else [settings]),
    ]


def settings(plan: Plan) -> list[dict[str, Any]]:
    """A ConfigMap of serve.toml, where the image has no settings of its own: the server is asked by names that the cluster
    gives."""
    if plan.config:
        return []
    about = {"name": plan.name, "labels": _labels(plan)}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": about,
            "data": {"serve.toml": '[access]\nhosts = ["*"]\n'},
        }
    ]


def _labels(plan: Plan) -> dict[str, str]:
    return {"app.kubernetes.io/name": plan.name, "app.kubernetes.io/managed-by": "drivetrain"}


def _probe(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 2}


def documents(plan: Plan) -> list[dict[str, Any]]:
    """ConfigMap, Deployment, Service, PodDisruptionBudget, HorizontalPodAutoscaler."""
    labels = _labels(plan)
    chosen = {"app.kubernetes.io/name": plan.name}
    scraped = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(HTTP),
        "prometheus.io/path": "/metrics",
    }
    about = {"name": plan.name, "labels": labels}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": about,
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": chosen},
            # A new copy is ready before an old one goes: no request meets a closed door.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": labels, "annotations": scraped},
                "spec": {
                    "automountServiceAccountToken": False,
                    "terminationGracePeriodSeconds": 40,
                    "containers": [container(plan)],
                    "volumes": volumes(plan),
                },
            },
        },
    }
    ports = [
        {"name": name, "port": port, "targetPort": name, "protocol": "TCP"}
        for name, port in (("http", HTTP), ("grpc", GRPC))
    ]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": about,
        "spec": {"selector": chosen, "ports": ports},
    }
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": about,
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": chosen}},
    }
    queue = {
        "type": "Pods",
        "pods": {"metric": {"name": QUEUE}, "target": {"type": "AverageValue", "averageValue": ROWS_A_COPY}},
    }
    busy = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": about,
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": plan.name},
            "minReplicas": REPLICAS,
            "maxReplicas": MOST_REPLICAS,
            "metrics": [queue, busy],
        },
    }
    return [*settings(plan), deployment, service, budget, scaler]


def files(plan: Plan) -> dict[str, bytes]:
    head = f"""# kubectl apply -f kubernetes.yaml
# The image {plan.image} is built from the Containerfile and pushed to a registry before.
# The scaler reads {QUEUE} through the Prometheus adapter (custom.metrics.k8s.io), by a rule such as
#   seriesQuery: '{QUEUE}{{namespace!="",pod!=""}}'
#   resources: {{overrides: {{namespace: {{resource: namespace}}, pod: {{resource: pod}}}}}}
#   metricsQuery: sum(<<.Series>>{{<<.LabelMatchers>>}}) by (<<.GroupBy>>)
# Without an adapter it goes by the processor alone. Whoever may reach the pods may ask them, by any name: for keys and a list
# of names write
# serve.toml, and this again with --config.
"""
    return {"kubernetes.yaml": f"{head}{as_yaml(*documents(plan))}".encode()}
