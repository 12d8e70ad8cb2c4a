"""What the Dask operator of a Kubernetes cluster is given: a DaskCluster, and its keys."""

from __future__ import annotations

from typing import Any

GROUP = "kubernetes.dask.org/v1"
PORT = 8786
_KEYS = "/lepton-keys"
_FILES = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
_TLS = [f"--tls-{name}{'-file' if name == 'ca' else ''}={_KEYS}/{f}" for name, f in _FILES.items()]
_OURS = {"app.kubernetes.io/managed-by": "lepton"}


def cluster(
    name: str,
    namespace: str,
    *,
    image: str,
    workers: int,
    threads: int,
    memory: int | None,
    limits: dict[str, str],
    pull_secrets: list[str],
) -> dict[str, Any]:
    """Return a DaskCluster in which everybody needs the keys of the secret of the same name.

    Parameters
    ----------
    memory
        Bytes of each worker; None for no limit.
    limits
        More of what each worker has, such as ``{"nvidia.com/gpu": "1"}``.
    """
    resources = {"cpu": str(threads), **({"memory": str(memory)} if memory else {}), **limits}
    # Dask's HTTP pages ask for no password: they answer inside the container alone.
    inside = ["--no-dashboard", "--dashboard-address=127.0.0.1:0"]
    # Not DASK_SCHEDULER_ADDRESS alone: the operator's own has no TLS.
    address = f"tls://{name}-scheduler.{namespace}.svc.cluster.local:{PORT}"
    worker = [
        *("dask", "worker", address, "--name=$(DASK_WORKER_NAME)", "--nworkers=1"),
        *(f"--nthreads={threads}", f"--memory-limit={memory or 'auto'}", "--death-timeout=60"),
    ]
    scheduler = ["dask", "scheduler", "--protocol=tls", "--host=0.0.0.0", f"--port={PORT}"]
    probe = {"tcpSocket": {"port": "tcp-comm"}, "periodSeconds": 5}
    return {
        "apiVersion": GROUP,
        "kind": "DaskCluster",
        "metadata": {"name": name, "namespace": namespace, "labels": _OURS},
        "spec": {
            "worker": {
                "replicas": workers,
                "spec": _pod(
                    name,
                    {
                        "name": "worker",
                        "image": image,
                        "args": [*worker, *inside, *_TLS],
                        "env": [{"name": "DASK_SCHEDULER_ADDRESS", "value": address}],
                        "resources": {"limits": resources, "requests": resources},
                    },
                    pull_secrets,
                ),
            },
            "scheduler": {
                "spec": _pod(
                    name,
                    {
                        "name": "scheduler",
                        "image": image,
                        "args": [*scheduler, *inside, *_TLS],
                        "ports": [
                            {"name": "tcp-comm", "containerPort": PORT, "protocol": "TCP"},
                        ],
                        "readinessProbe": {**probe, "periodSeconds": 1},
                        "livenessProbe": {**probe, "initialDelaySeconds": 15},
                    },
                    pull_secrets,
                ),
                "service": {
                    "type": "ClusterIP",
                    "selector": {
                        "dask.org/cluster-name": name,
                        "dask.org/component": "scheduler",
                    },
                    "ports": [
                        {
                            "name": "tcp-comm",
                            "protocol": "TCP",
                            "port": PORT,
                            "targetPort": "tcp-comm",
                        }
                    ],
                },
            },
        },
    }


def keys(name: str, namespace: str, owner: str, pem: dict[str, str]) -> dict[str, Any]:
    """Return the secret with the keys of a cluster, which goes when that does.

    Parameters
    ----------
    owner
        The uid of the DaskCluster.
    pem
        ``ca``, ``cert`` and ``key``, as text.
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": _OURS,
            "ownerReferences": [
                {
                    "apiVersion": GROUP,
                    "kind": "DaskCluster",
                    "name": name,
                    "uid": owner,
                }
            ],
        },
        "type": "Opaque",
        "stringData": {_FILES[part]: text for part, text in pem.items()},
    }


def _pod(name: str, container: dict[str, Any], pull_secrets: list[str]) -> dict[str, Any]:
    return {
        "containers": [
            {**container, "volumeMounts": [{"name": "keys", "mountPath": _KEYS, "readOnly": True}]}
        ],
        # Whoever the image runs as is in this group, which may read the keys; nobody else may.
        "securityContext": {"fsGroup": 1000},
        "volumes": [{"name": "keys", "secret": {"secretName": name, "defaultMode": 0o440}}],
        **({"imagePullSecrets": [{"name": s} for s in pull_secrets]} if pull_secrets else {}),
    }
