"""How a connection proves who it is and checks whom it talks to: Kafka's client properties, TLS and SASL.

`Security.from_properties` takes the file that Kafka's own tools take (`--command-config`). Keys outside the
families `security.`, `ssl.` and `sasl.` are left to others; within them, an unknown or unsupported key is an
error rather than a surprise. Mechanisms: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 (user names and passwords are
prepared by SASLprep, which Kafka leaves out: only unusual characters differ).

Not here: GSSAPI (Kerberos), OAUTHBEARER, delegation tokens, re-authentication (KIP-368).

Source: CommonClientConfigs.java, SaslConfigs.java, SaslClientAuthenticator.java; KIP-84, KIP-152.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import javaproperties
from attrs import field, frozen
from scramp import ScramClient, ScramException

from conformance.wire import apis
from conformance.wire.apis import Api
from conformance.wire.errors import BadProperties, Unreachable
from conformance.wire.jaas import KEY as JAAS_KEY
from conformance.wire.jaas import parse_jaas
from conformance.wire.tls import SSL_KEYS, tls_context

FAMILIES = ("security.", "ssl.", "sasl.")
SUPPORTED_KEYS = ("security.protocol", "sasl.mechanism", JAAS_KEY, *SSL_KEYS)
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
LOGIN_MODULES = {
    "PLAIN": "PlainLoginModule",
    "SCRAM-SHA-256": "ScramLoginModule",
    "SCRAM-SHA-512": "ScramLoginModule",
}
"""For each supported mechanism, the simple class name of the login module that Kafka pairs with it."""

HANDSHAKE_VERSION = 1
"""From here on SASL bytes travel in SaslAuthenticate requests (KIP-152)."""
AUTHENTICATE_VERSION = 0


class Caller(Protocol):
    """What logging in needs of a connection."""

    def call(self, api: Api, version: int, request: object) -> Any:
        """Send a request and await its answer."""


@frozen
class Credentials:
    """A SASL mechanism with a user's name and password."""

    mechanism: str
    username: str
    password: str = field(repr=False)


@frozen
class Security:
    """TLS, SASL, both or neither."""

    tls: ssl.SSLContext | None = None
    credentials: Credentials | None = None

    @classmethod
    def from_properties(cls, source: Path | str | Mapping[str, str]) -> Security:
        """What the client properties in a file (or already read) ask for."""
        properties = dict(source) if isinstance(source, Mapping) else _read_properties(Path(source))
        _check_keys(properties)
        protocol = properties.get("security.protocol", "PLAINTEXT").strip().upper()
        if protocol not in PROTOCOLS:
            raise BadProperties(f"security.protocol={protocol} is not supported; use one of {', '.join(PROTOCOLS)}")
        return cls(
            tls=tls_context(properties) if protocol.endswith("SSL") else None,
            credentials=_credentials(properties) if protocol.startswith("SASL") else None,
        )

    def wrap(self, plain: socket.socket, host: str) -> socket.socket:
        """The socket, under TLS if asked for."""
        return plain if self.tls is None else self.tls.wrap_socket(plain, server_hostname=host)

    def log_in(self, connection: Caller) -> None:
        """Authenticate by SASL if asked for; `Unreachable` if the broker refuses."""
        if self.credentials is None:
            return
        mechanism = self.credentials.mechanism
        shake = apis.message(Api.SASL_HANDSHAKE, HANDSHAKE_VERSION, mechanism=mechanism)
        answer = connection.call(Api.SASL_HANDSHAKE, HANDSHAKE_VERSION, shake).answer
        if answer.error_code:
            raise Unreachable(
                f"the broker refuses the mechanism {mechanism} (error {answer.error_code}); "
                f"it offers {', '.join(answer.mechanisms) or 'none'}"
            )
        if mechanism == "PLAIN":
            _authenticate(connection, f"\0{self.credentials.username}\0{self.credentials.password}".encode())
        else:
            _log_in_by_scram(connection, self.credentials)


PLAINTEXT = Security()


def _read_properties(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            return {str(key): str(value) for key, value in javaproperties.load(file).items()}
    except OSError as error:
        raise BadProperties(f"{path} cannot be read: {error.strerror}") from error
    except javaproperties.InvalidUEscapeError as error:
        raise BadProperties(f"{path} is no properties file: {error}") from error


def _check_keys(properties: Mapping[str, str]) -> None:
    for key in properties:
        if key.startswith(FAMILIES) and key not in SUPPORTED_KEYS:
            raise BadProperties(f"{key} is not supported; supported are: {', '.join(SUPPORTED_KEYS)}")


def _credentials(properties: Mapping[str, str]) -> Credentials:
    mechanism = properties.get("sasl.mechanism", "").strip()
    if mechanism not in LOGIN_MODULES:
        named = f"sasl.mechanism={mechanism}" if mechanism else "sasl.mechanism is missing (Kafka takes GSSAPI), which"
        raise BadProperties(f"{named} is not supported; use one of {', '.join(LOGIN_MODULES)}")
    if JAAS_KEY not in properties:
        raise BadProperties(f"{JAAS_KEY} is missing; {mechanism} takes the user's name and password from it")
    module = parse_jaas(properties[JAAS_KEY])
    if module.simple_name != LOGIN_MODULES[mechanism]:
        raise BadProperties(
            f"{JAAS_KEY} names {module.class_name}; sasl.mechanism={mechanism} needs {LOGIN_MODULES[mechanism]}"
        )
    for option in module.options:
        if option not in ("username", "password"):
            raise BadProperties(f"{JAAS_KEY}: the option {option} is not supported; use username and password")
    try:
        return Credentials(mechanism, module.options["username"], module.options["password"])
    except KeyError as error:
        raise BadProperties(f"{JAAS_KEY}: the option {error} is missing") from error


def _authenticate(connection: Caller, token: bytes) -> bytes:
    """Send the client's next SASL token; the broker's answer to it."""
    request = apis.message(Api.SASL_AUTHENTICATE, AUTHENTICATE_VERSION, auth_bytes=token)
    answer = connection.call(Api.SASL_AUTHENTICATE, AUTHENTICATE_VERSION, request).answer
    if answer.error_code:
        raise Unreachable(f"the broker refuses the login: {answer.error_message} (error {answer.error_code})")
    return bytes(answer.auth_bytes)


def scram_client(mechanism: str, username: str, password: str, nonce: str | None = None) -> Any:
    """The client's side of one log-in, by scramp; `nonce` is for tests, which need it known."""
    return ScramClient([mechanism], username, password, c_nonce=nonce)


def _log_in_by_scram(connection: Caller, credentials: Credentials) -> None:
    """Two rounds: each side proves that it knows the password, neither says it (RFC 5802)."""
    client = scram_client(credentials.mechanism, credentials.username, credentials.password)
    try:
        client.set_server_first(_authenticate(connection, client.get_client_first().encode()).decode())
        client.set_server_final(_authenticate(connection, client.get_client_final().encode()).decode())
    except (ScramException, UnicodeDecodeError) as error:
        raise Unreachable(f"the broker's side of {credentials.mechanism} is wrong: {error}") from error
