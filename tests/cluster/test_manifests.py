"""What the Dask operator is given, held to the operator's own schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lepton_jlab.cluster.engines import manifests

FOLDER = Path("operator", "deployment", "helm", "dask-kubernetes-operator", "crds")


@pytest.fixture(scope="module")
def schema():
    """The schema of a DaskCluster, as the operator's package ships it; it knows no other fields."""
    package = pytest.importorskip("dask_kubernetes")
    yaml = pytest.importorskip("yaml")
    file = Path(package.__file__).parent / FOLDER / "daskcluster.yaml"
    definition = yaml.load(file.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return closed(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def closed(schema):
    """Return `schema` such that fields it does not name are wrong; Kubernetes would drop them."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(part) for key, part in schema.items()}
    if "properties" in schema and "x-kubernetes-preserve-unknown-fields" not in schema:
        made.setdefault("additionalProperties", False)
    return made


def document(**changed):
    asked = {
        "image": "lepton:1", "workers": 2, "threads": 4, "memory": 2**30,
        "limits": {"nvidia.com/gpu": "1"}, "pull_secrets": ["mine"],
    }  # fmt: skip
    return manifests.cluster("lepton-lab-1", "ours", **{**asked, **changed})


def problems(schema, document):
    jsonschema = pytest.importorskip("jsonschema")
    # As Kubernetes does, the metadata of the object itself are not looked at.
    body = {"spec": json.loads(json.dumps(document["spec"]))}
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(body)]


@pytest.mark.parametrize("changed", [{}, {"memory": None, "limits": {}, "pull_secrets": []}])
def test_the_manifest_is_what_the_operator_takes(schema, changed):
    assert problems(schema, document(**changed)) == []


def test_the_schema_refuses_what_it_does_not_know(schema):
    wrong = document()
    wrong["spec"]["worker"]["spec"]["containers"][0]["comand"] = ["dask"]
    assert any("comand" in problem for problem in problems(schema, wrong))
    wrong = document()
    wrong["spec"]["worker"]["replicas"] = "two"
    assert any("'two'" in problem for problem in problems(schema, wrong))


def test_everybody_needs_the_keys_and_only_the_secret_has_them():
    made = document()
    text = json.dumps(made)
    assert "tcp://" not in text
    for pod in (made["spec"]["worker"]["spec"], made["spec"]["scheduler"]["spec"]):
        (container,) = pod["containers"]
        assert container["args"][-3:] == [
            "--tls-ca-file=/lepton-keys/ca.pem",
            "--tls-cert=/lepton-keys/cert.pem",
            "--tls-key=/lepton-keys/key.pem",
        ]
        assert pod["volumes"][0]["secret"]["secretName"] == "lepton-lab-1"
    secret = manifests.keys("lepton-lab-1", "ours", "uid", {"ca": "A", "cert": "B", "key": "C"})
    assert secret["stringData"] == {"ca.pem": "A", "cert.pem": "B", "key.pem": "C"}
    assert secret["metadata"]["ownerReferences"][0]["kind"] == "DaskCluster"
