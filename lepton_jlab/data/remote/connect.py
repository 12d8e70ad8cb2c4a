"""From an address to a client of its store: endpoints, credentials, regions."""

from __future__ import annotations

import configparser
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any

from lepton_jlab.errors import DataError, MissingDependencyError

EXTRAS = {"http": "http", "https": "http", "s3": "s3", "gs": "gs", "gcs": "gs"}  # by scheme

_CONNECT = timedelta(seconds=5)
_NO_LIMIT = timedelta(days=1)  # a large chunk over a slow link takes what it takes; silence ends it
_REGIONLESS = "https://{bucket}.s3.amazonaws.com"

# Where obstore finds credentials by itself; without any, a bucket is read as the public does.
_AWS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",  # set to false, it means the credentials of the machine
)
_GOOGLE = (
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_BEARER_TOKEN",
    "GOOGLE_SKIP_SIGNATURE",
)
_GOOGLE_LOGIN = "~/.config/gcloud/application_default_credentials.json"


def scheme_of(address: str) -> str:
    """Return ``s3`` of ``s3://bucket/name.zarr``, in small letters."""
    return address.partition("://")[0].lower()


def shown(address: str) -> str:
    """Return `address` without the name and password that it may hold."""
    return re.sub(r"://[^/@]*@", "://", address)


def connect(address: str, *, silence: float, retries: int = 0) -> Any:
    """Return an obstore client for what is below `address`; nothing is asked of the store yet.

    Parameters
    ----------
    silence
        Seconds without a byte after which a request has failed.
    retries
        How often obstore itself asks again.

    Raises
    ------
    MissingDependencyError
        If obstore is not installed.
    DataError
        If the address is not one that obstore takes.
    """
    scheme = scheme_of(address)
    try:
        from obstore.exceptions import BaseError
        from obstore.store import GCSStore, HTTPStore, S3Store
    except ImportError as error:
        what = f"obstore, which reads {scheme}://,"
        raise MissingDependencyError(what, EXTRAS[scheme]) from error
    common: dict[str, Any] = {
        "client_options": {
            "allow_http": True,
            "connect_timeout": _CONNECT,
            "read_timeout": timedelta(seconds=silence),
            "timeout": _NO_LIMIT,
        },
        "retry_config": {"max_retries": retries, "retry_timeout": timedelta(seconds=60)},
    }
    try:
        if scheme in ("http", "https"):
            return HTTPStore(address, **common)
        bucket, _, prefix = address.partition("://")[2].partition("/")
        where: dict[str, Any] = {"bucket": bucket, "prefix": prefix or None}
        if scheme == "s3":
            return S3Store(**where, **s3_options(bucket), **common)
        return GCSStore(**where, **_gs_options(), **common)
    except (BaseError, ValueError, TypeError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{shown(address)} cannot be opened: {reason}") from error


def s3_options(bucket: str) -> dict[str, Any]:
    """Return what obstore has to be told of credentials and region of a bucket."""
    options: dict[str, Any] = {}
    if not _any_set(_AWS):
        options = _aws_profile() or {"skip_signature": True}
    fixed = _any_set(("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"))
    if not fixed and not _any_set(("AWS_REGION", "AWS_DEFAULT_REGION")):
        region = bucket_region(_REGIONLESS.format(bucket=bucket))
        options |= {"region": region} if region else {}
    return options


def _gs_options() -> dict[str, Any]:
    signed_in = _any_set(_GOOGLE) or Path(_GOOGLE_LOGIN).expanduser().exists()
    return {} if signed_in else {"skip_signature": True}


def _any_set(names: tuple[str, ...]) -> bool:
    return any(os.environ.get(name) for name in names)


def _aws_profile() -> dict[str, Any]:
    """Return the keys in ``~/.aws/credentials``, where `aws configure` writes them."""
    file = os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
    profiles = configparser.ConfigParser()
    profiles.read(Path(file).expanduser())
    profile = os.environ.get("AWS_PROFILE", "default")
    if not profiles.has_option(profile, "aws_access_key_id"):
        return {}
    kept = profiles[profile]
    names = {
        "access_key_id": "aws_access_key_id",
        "secret_access_key": "aws_secret_access_key",
        "session_token": "aws_session_token",
    }
    return {name: kept[stored] for name, stored in names.items() if stored in kept}


def bucket_region(url: str) -> str | None:
    """Return the region that S3 names in any answer of a bucket's `url`, also in a refusal."""
    try:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310
        with urllib.request.urlopen(request, timeout=_CONNECT.seconds) as answer:  # noqa: S310
            return str(answer.headers.get("x-amz-bucket-region") or "") or None
    except urllib.error.HTTPError as error:
        return error.headers.get("x-amz-bucket-region")
    except (OSError, ValueError):
        return None
