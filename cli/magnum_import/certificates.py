"""Reads a cluster's certificate authorities from where Magnum stored them: its database, Barbican, or files.

Rule: a key is decrypted in memory only and returned to be encrypted again; it is never printed or logged. A certificate
that does not match its key is not imported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from cli.magnum_import.source import SourceRow
from jeroboam.driver import Secret
from shared.domain.errors import JeroboamError
from shared.pki.authority import PrivateKey, private_pem

# Jeroboam's name of each authority -> the column of Magnum that refers to it.
REFERENCES = {
    "kubernetes": "ca_cert_ref",
    "etcd": "etcd_ca_cert_ref",
    "front_proxy": "front_proxy_ca_cert_ref",
}


class Unreadable(JeroboamError):
    """The certificate or its key cannot be read; the message contains the reason."""


class Containers(Protocol):
    """Barbican's certificate containers."""

    async def payloads(self, reference: str) -> Mapping[str, str]:
        """The secrets of a container by their names in it. Raises JeroboamError."""
        ...


class Certificates:
    """Finds and decrypts certificate authorities.

    Args:
        key_pairs: rows of Magnum's table `x509keypair`, by UUID.
        containers: Barbican; None if it is not to be read.
        directory: the directory `[certificates] storage_path`, if Magnum stored certificates in files.
    """

    def __init__(
        self, key_pairs: Mapping[str, SourceRow], containers: Containers | None = None, directory: Path | None = None
    ) -> None:
        self._key_pairs = key_pairs
        self._containers = containers
        self._directory = directory

    async def of_cluster(self, cluster: SourceRow) -> tuple[dict[str, Secret], list[str]]:
        """Return the authorities that could be read, by Jeroboam's names, and a note about each that could not."""
        found: dict[str, Secret] = {}
        notes = []
        for name, column in REFERENCES.items():
            if not cluster[column]:
                continue
            try:
                found[name] = await self._read(cluster[column])
            except JeroboamError as error:
                notes.append(f"its {name} CA was not imported: {error}")
        return found, notes

    async def _read(self, reference: str) -> Secret:
        if reference in self._key_pairs:
            pair = self._key_pairs[reference]
            parts = {"certificate": pair["certificate"], "private_key": pair["private_key"]}
            return _opened({**parts, "private_key_passphrase": pair["private_key_passphrase"]})
        if "/" in reference:
            if self._containers is None:
                raise Unreadable("it is in Barbican, which is not read (--no-barbican)")
            return _opened(await self._containers.payloads(reference))
        if self._directory is not None:
            return _opened(await asyncio.to_thread(_files, self._directory, reference))
        raise Unreadable(f"{reference} is in neither the database nor Barbican; give --certificates DIRECTORY")


def _files(directory: Path, reference: str) -> dict[str, str]:
    names = {"certificate": "crt", "private_key": "key", "private_key_passphrase": "pass"}
    paths = {name: directory / f"{Path(reference).name}.{suffix}" for name, suffix in names.items()}
    try:
        return {name: path.read_text() for name, path in paths.items() if path.exists() or name == "certificate"}
    except OSError as error:
        raise Unreadable(f"{error.filename}: {error.strerror}") from None


def _opened(parts: Mapping[str, str | None]) -> Secret:
    certificate, key, passphrase = (
        parts.get(name) for name in ("certificate", "private_key", "private_key_passphrase")
    )
    if not certificate or not key:
        raise Unreadable("the certificate or its key is empty")
    try:
        encrypted = "ENCRYPTED" in key
        password = (passphrase or "").encode() if encrypted else None
        opened = serialization.load_pem_private_key(key.encode(), password)
        known = x509.load_pem_x509_certificate(certificate.encode())
    except (ValueError, TypeError) as error:
        raise Unreadable(f"it cannot be decrypted ({error})") from None
    if not isinstance(opened, PrivateKey) or opened.public_key() != known.public_key():
        raise Unreadable("the key does not match the certificate")
    return Secret(certificate=certificate, secret=private_pem(opened))
