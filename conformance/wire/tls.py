"""Kafka's `ssl.*` client properties as Python's TLS context.

Stores are read as PEM (file, or inline in the property) and PKCS12; Java's own JKS format is not, though
Java calls PKCS12 files "JKS" too, so a JKS type is taken by what the file holds. Versions below TLS 1.2,
cipher suites and providers cannot be chosen.

Source: SslConfigs.java, DefaultSslEngineFactory.java; KIP-651 (PEM).
"""

from __future__ import annotations

import secrets
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    pkcs12,
)

from conformance.wire.errors import BadProperties

SSL_KEYS = (
    "ssl.truststore.location",
    "ssl.truststore.type",
    "ssl.truststore.password",
    "ssl.truststore.certificates",
    "ssl.keystore.location",
    "ssl.keystore.type",
    "ssl.keystore.password",
    "ssl.keystore.key",
    "ssl.keystore.certificate.chain",
    "ssl.key.password",
    "ssl.endpoint.identification.algorithm",
    "ssl.enabled.protocols",
    "ssl.protocol",
)
DEFAULT_STORE_TYPE = "JKS"
STORE_TYPES = ("PEM", "PKCS12", "JKS")
JKS_MAGIC = b"\xfe\xed\xfe\xed"
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def tls_context(properties: Mapping[str, str]) -> ssl.SSLContext:
    """The context that these properties ask for; `BadProperties` if they cannot be met."""
    trusted = _trusted_certificates(properties)
    try:
        context = ssl.create_default_context(cadata=trusted)
    except ssl.SSLError as error:
        raise BadProperties(f"ssl.truststore: no certificate could be read from it: {error}") from error
    context.check_hostname = _checks_hostname(properties)
    enabled = _versions(properties)
    context.minimum_version, context.maximum_version = min(enabled), max(enabled)
    _load_key(context, properties)
    return context


def _checks_hostname(properties: Mapping[str, str]) -> bool:
    algorithm = properties.get("ssl.endpoint.identification.algorithm", "https").strip().lower()
    if algorithm not in ("https", ""):
        raise BadProperties(
            f"ssl.endpoint.identification.algorithm={algorithm} is not supported; "
            "use https, or leave it empty to accept any host name"
        )
    return algorithm == "https"


def _versions(properties: Mapping[str, str]) -> list[ssl.TLSVersion]:
    asked = properties.get("ssl.enabled.protocols") or properties.get("ssl.protocol") or ",".join(VERSIONS)
    names = [name.strip() for name in asked.split(",")]
    for name in names:
        if name not in VERSIONS:
            raise BadProperties(f"ssl.enabled.protocols: {name} is not supported; use {' or '.join(VERSIONS)}")
    return [VERSIONS[name] for name in names]


def _store_type(properties: Mapping[str, str], store: str) -> str:
    kind = properties.get(f"{store}.type", DEFAULT_STORE_TYPE).strip().upper()
    if kind not in STORE_TYPES:
        raise BadProperties(f"{store}.type={kind} is not supported; use one of {', '.join(STORE_TYPES)}")
    return kind


def _read_store(properties: Mapping[str, str], store: str) -> bytes:
    path = Path(properties[f"{store}.location"])
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadProperties(f"{store}.location: {path} cannot be read: {error.strerror}") from error
    if data.startswith(JKS_MAGIC):
        raise BadProperties(
            f"{store}.location: {path} is in Java's JKS format, which is not supported; convert it: keytool "
            f"-importkeystore -srckeystore {path} -destkeystore {path.stem}.p12 -deststoretype PKCS12"
        )
    return data


def _open_pkcs12(properties: Mapping[str, str], store: str) -> pkcs12.PKCS12KeyAndCertificates:
    password = properties.get(f"{store}.password")
    data = _read_store(properties, store)
    try:
        return pkcs12.load_pkcs12(data, None if password is None else password.encode())
    except ValueError as error:
        raise BadProperties(f"{store}.location with {store}.password is no readable PKCS12 store: {error}") from error


def _pem(opened: pkcs12.PKCS12KeyAndCertificates) -> bytes:
    found = [opened.cert] if opened.cert else []
    return b"".join(entry.certificate.public_bytes(Encoding.PEM) for entry in [*found, *opened.additional_certs])


def _trusted_certificates(properties: Mapping[str, str]) -> str | None:
    """The trusted certificates in PEM, or `None` for the system's own."""
    store = "ssl.truststore"
    inline = properties.get(f"{store}.certificates")
    if inline is not None:
        if _store_type(properties, store) != "PEM" or f"{store}.location" in properties:
            raise BadProperties(f"{store}.certificates needs {store}.type=PEM and no {store}.location")
        return inline
    if f"{store}.location" not in properties:
        return None
    if _store_type(properties, store) == "PEM":
        return _read_store(properties, store).decode("ascii", "replace")
    return _pem(_open_pkcs12(properties, store)).decode()


def _load_key(context: ssl.SSLContext, properties: Mapping[str, str]) -> None:
    """The client's own key and certificate, if the properties name one."""
    store = "ssl.keystore"
    password = properties.get("ssl.key.password")
    if f"{store}.key" in properties or f"{store}.certificate.chain" in properties:
        if _store_type(properties, store) != "PEM" or f"{store}.location" in properties:
            raise BadProperties(f"{store}.key needs {store}.type=PEM and no {store}.location")
        parts = (properties.get(f"{store}.key", ""), properties.get(f"{store}.certificate.chain", ""))
        _load_chain(context, "\n".join(parts).encode(), password)
    elif f"{store}.location" in properties:
        if _store_type(properties, store) == "PEM":
            _load_chain(context, _read_store(properties, store), password)
        else:
            _load_pkcs12_key(context, _open_pkcs12(properties, store))


def _load_pkcs12_key(context: ssl.SSLContext, opened: pkcs12.PKCS12KeyAndCertificates) -> None:
    if opened.key is None:
        raise BadProperties("ssl.keystore.location: the PKCS12 store holds no private key")
    password = secrets.token_hex()
    encryption = BestAvailableEncryption(password.encode())
    key = opened.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    _load_chain(context, key + _pem(opened), password)


def _load_chain(context: ssl.SSLContext, pem: bytes, password: str | None) -> None:
    # Python's TLS reads keys from files only; this one is readable by its owner alone and lives briefly.
    # The password is never None, or OpenSSL would ask for one on the terminal.
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(pem)
        file.flush()
        try:
            context.load_cert_chain(file.name, password=password or "")
        except ssl.SSLError as error:
            raise BadProperties(
                f"ssl.keystore: no private key with its certificate could be read; is ssl.key.password right? {error}"
            ) from error
