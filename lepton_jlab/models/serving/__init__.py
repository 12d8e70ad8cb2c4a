"""Models online: endpoints over HTTP, their workers, protocols and client; serving cells."""

from lepton_jlab.models.serving.client import Endpoint
from lepton_jlab.models.serving.deploying import deploy, endpoint, endpoints, stop

__all__ = ["Endpoint", "deploy", "endpoint", "endpoints", "stop"]
