"""The service account of a cluster, and what users need to log in with it.

Rule: the account's private key never leaves Jeroboam. Masters get the public key; a user gets a login token that is
signed for him and expires, which DC/OS exchanges for an authentication token. Source: DC/OS' documentation of service
accounts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from jeroboam.driver import Access, ClientConfig, Secret

ACCOUNT = "account"  # the name of a secret
USER = "jeroboam"


def account(secrets: Mapping[str, Secret]) -> str:
    """The service account, as the IAM API takes it."""
    return json.dumps({"description": "users of the cluster", "public_key": secrets[ACCOUNT].certificate}) + "\n"


def login_token(secrets: Mapping[str, Secret], expires: datetime) -> str:
    """A service login token: a JSON Web Token with the claims `uid` and `exp`, signed with RS256."""
    key = serialization.load_pem_private_key(secrets[ACCOUNT].secret.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the account's key is no RSA key")
    claims = {"uid": USER, "exp": int(expires.timestamp())}
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return f"{signed}.{_encoded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def render(
    *,
    api_address: str,
    authenticated: bool,
    secrets: Mapping[str, Secret],
    access: Access,
    expires: datetime,
    lifetime: timedelta,
) -> ClientConfig:
    """The cluster's URL, and the body of a login.

    Raises:
        ValueError: the user may only read.
    """
    if access is not Access.ADMIN:
        raise ValueError("DC/OS has no read-only access: only users who may change the cluster can use it")
    url = f"https://{api_address}"
    files = {"dcos.json": json.dumps({"url": url, "uid": USER if authenticated else None}, indent=1) + "\n"}
    variables = {"DCOS_URL": url}
    if authenticated:
        files["login.json"] = json.dumps({"uid": USER, "token": login_token(secrets, expires)}) + "\n"
        variables |= {"DCOS_LOGIN": "{directory}/login.json"}
    return ClientConfig(files, variables, [USER] if authenticated else [], lifetime)


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
