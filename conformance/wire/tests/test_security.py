"""Client properties as Kafka's tools read them, and logging in over TLS and SASL to a scripted server."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509 import load_pem_x509_certificate
from scramp import ScramMechanism

from conformance.wire import apis
from conformance.wire.apis import Api
from conformance.wire.connection import Connection
from conformance.wire.errors import BadProperties, Unreachable
from conformance.wire.jaas import parse_jaas
from conformance.wire.security import Security, scram_client
from conformance.wire.tests.scripted import Peer, handshake_answer, sasl_answer, scripted

PLAIN_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
SCRAM_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"
SASL = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "PLAIN",
    "sasl.jaas.config": f'{PLAIN_MODULE} required username="ada" password="s3cret";',
}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def pem(authority: trustme.CA) -> str:
    return str(authority.cert_pem.bytes(), "ascii")


# -- properties ---------------------------------------------------------------------------------------------------


def test_a_file_is_read_as_java_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "client.properties"
    path.write_text(
        "# a comment\nbootstrap.servers=ignored:1\nsecurity.protocol : sasl_plaintext\nsasl.mechanism=PLAIN\n"
        f'sasl.jaas.config={PLAIN_MODULE} required \\\n    username="ad\\u00e9" \\\n    password=\'p"w\';\n'
    )
    credentials = Security.from_properties(path).credentials
    assert credentials is not None
    assert (credentials.mechanism, credentials.username, credentials.password) == ("PLAIN", "adé", 'p"w')


def test_nothing_asked_for_is_plaintext() -> None:
    assert Security.from_properties({}) == Security()


def test_a_password_is_not_shown() -> None:
    assert "s3cret" not in repr(Security.from_properties(SASL))


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"security.protocol": "TLS"}, "security.protocol=TLS is not supported; use one of PLAINTEXT"),
        ({"ssl.cipher.suites": "x"}, "ssl.cipher.suites is not supported; supported are"),
        ({"sasl.login.class": "x"}, "sasl.login.class is not supported"),
        ({"security.protocol": "SASL_SSL"}, "sasl.mechanism is missing"),
        (SASL | {"sasl.mechanism": "GSSAPI"}, "sasl.mechanism=GSSAPI is not supported; use one of PLAIN"),
        (SASL | {"sasl.mechanism": "SCRAM-SHA-256"}, "needs ScramLoginModule"),
        (SASL | {"sasl.jaas.config": f'{PLAIN_MODULE} required username="a";'}, "option 'password' is missing"),
        (SASL | {"sasl.jaas.config": f"{PLAIN_MODULE} required x=y username=a password=b;"}, "option x is not"),
        (SASL | {"sasl.jaas.config": f"{PLAIN_MODULE} required username=a"}, 'ends in ";"'),
        (SASL | {"sasl.jaas.config": f'{PLAIN_MODULE} required username="a;'}, "quote is opened"),
        (SASL | {"sasl.jaas.config": f"{PLAIN_MODULE} username=a password=b;"}, "no control flag"),
        (SASL | {"sasl.jaas.config": f"{PLAIN_MODULE} required username a;"}, 'key="value"'),
        ({"security.protocol": "SSL", "ssl.truststore.type": "BKS", "ssl.truststore.location": "x"}, "type=BKS"),
        ({"security.protocol": "SSL", "ssl.truststore.location": "/none"}, "truststore.location: /none cannot be read"),
        ({"security.protocol": "SSL", "ssl.truststore.type": "PEM", "ssl.truststore.certificates": "x"}, "truststore"),
        ({"security.protocol": "SSL", "ssl.endpoint.identification.algorithm": "ldap"}, "=ldap is not supported"),
        ({"security.protocol": "SSL", "ssl.enabled.protocols": "TLSv1.1"}, "TLSv1.1 is not supported"),
    ],
)
def test_what_cannot_be_met_is_named(properties: dict[str, str], reason: str) -> None:
    with pytest.raises(BadProperties, match=reason):
        Security.from_properties(properties)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadProperties, match=r"nowhere\.properties cannot be read"):
        Security.from_properties(tmp_path / "nowhere.properties")


def test_java_key_stores_are_told_how_to_become_readable(tmp_path: Path) -> None:
    path = tmp_path / "trust.jks"
    path.write_bytes(b"\xfe\xed\xfe\xed\0\0\0\2")
    with pytest.raises(BadProperties, match="keytool -importkeystore"):
        Security.from_properties({"security.protocol": "SSL", "ssl.truststore.location": str(path)})


def test_jaas_options_keep_their_quoted_characters() -> None:
    module = parse_jaas(r'a.b.Module REQUIRED one="x;=\"y\\" two=\'z\';'.replace(r"\'", "'"))
    assert module.simple_name == "Module"
    assert module.options == {"one": 'x;="y\\', "two": "z"}


# -- TLS ----------------------------------------------------------------------------------------------------------


def plain_script(peer: Peer) -> None:
    """Answer one Heartbeat."""
    _, _, correlation_id, _ = peer.read_request()
    peer.answer(correlation_id, bytes(2))


def heartbeat(port: int, security: Security, host: str = "127.0.0.1") -> int:
    request = apis.message(Api.HEARTBEAT, 0, group_id="g", generation_id=1, member_id="m")
    with Connection(host, port, security=security, answer_timeout=5) as connection:
        code: int = connection.call(Api.HEARTBEAT, 0, request).answer.error_code
    return code


def trusting(authority: trustme.CA, **others: str) -> dict[str, str]:
    inline = {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": pem(authority)}
    return {"security.protocol": "SSL"} | inline | others


def test_tls_with_certificates_in_the_properties(authority: trustme.CA, server_tls: ssl.SSLContext) -> None:
    with scripted(plain_script, server_tls) as port:
        assert heartbeat(port, Security.from_properties(trusting(authority))) == 0


@pytest.mark.parametrize("declared", ["PKCS12", "JKS"])
def test_tls_with_a_pkcs12_store(
    authority: trustme.CA, server_tls: ssl.SSLContext, tmp_path: Path, declared: str
) -> None:
    path = tmp_path / "trust.p12"
    certificate = load_pem_x509_certificate(authority.cert_pem.bytes())
    encryption = BestAvailableEncryption(b"changeit")
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"ca", None, None, [certificate], encryption))
    properties = {
        "security.protocol": "SSL",
        "ssl.truststore.location": str(path),
        "ssl.truststore.type": declared,
        "ssl.truststore.password": "changeit",
    }
    with scripted(plain_script, server_tls) as port:
        assert heartbeat(port, Security.from_properties(properties)) == 0
    with pytest.raises(BadProperties, match=r"truststore\.password"):
        Security.from_properties(properties | {"ssl.truststore.password": "wrong"})


def test_a_stranger_is_not_trusted(server_tls: ssl.SSLContext) -> None:
    security = Security.from_properties(trusting(trustme.CA()))
    with scripted(plain_script, server_tls) as port, pytest.raises(Unreachable, match="no TLS"):
        heartbeat(port, security)


def test_the_host_name_counts_unless_told_otherwise(authority: trustme.CA, server_tls: ssl.SSLContext) -> None:
    with scripted(plain_script, server_tls) as port, pytest.raises(Unreachable, match="no TLS"):
        heartbeat(port, Security.from_properties(trusting(authority)), host="localhost")
    lenient = trusting(authority) | {"ssl.endpoint.identification.algorithm": ""}
    with scripted(plain_script, server_tls) as port:
        assert heartbeat(port, Security.from_properties(lenient), host="localhost") == 0


def test_the_client_shows_its_own_certificate(authority: trustme.CA, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    mine = authority.issue_cert("ada@example.org")
    path = tmp_path / "mine.pem"
    path.write_bytes(mine.private_key_and_cert_chain_pem.bytes())
    stored = trusting(authority) | {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(path)}
    with scripted(plain_script, context) as port:
        assert heartbeat(port, Security.from_properties(stored)) == 0
    inline = trusting(authority) | {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.key": mine.private_key_pem.bytes().decode(),
        "ssl.keystore.certificate.chain": mine.cert_chain_pems[0].bytes().decode(),
    }
    with scripted(plain_script, context) as port:
        assert heartbeat(port, Security.from_properties(inline)) == 0


# -- SASL ---------------------------------------------------------------------------------------------------------


def read_token(peer: Peer) -> tuple[int, bytes]:
    """The next SaslAuthenticate request's correlation id and token."""
    api, version, correlation_id, body = peer.read_request()
    assert (api, version) == (36, 0)
    return correlation_id, body.byte_string()


def shake_hands(peer: Peer, mechanism: str) -> None:
    api, version, correlation_id, body = peer.read_request()
    assert (api, version, body.string()) == (17, 1, mechanism)
    peer.answer(correlation_id, handshake_answer(0, mechanism))


def plain_server(peer: Peer) -> None:
    shake_hands(peer, "PLAIN")
    correlation_id, token = read_token(peer)
    assert token == b"\0ada\0s3cret"
    peer.answer(correlation_id, sasl_answer(0, None, b""))
    plain_script(peer)


def test_plain_over_tls(authority: trustme.CA, server_tls: ssl.SSLContext) -> None:
    properties = SASL | trusting(authority) | {"security.protocol": "SASL_SSL"}
    with scripted(plain_server, server_tls) as port:
        assert heartbeat(port, Security.from_properties(properties)) == 0


def scram_server(mechanism: str, password: str) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        made = ScramMechanism(mechanism)
        server = made.make_server(lambda username: made.make_auth_info(password))
        shake_hands(peer, mechanism)
        correlation_id, token = read_token(peer)
        server.set_client_first(token.decode())
        peer.answer(correlation_id, sasl_answer(0, None, server.get_server_first().encode()))
        correlation_id, token = read_token(peer)
        server.set_client_final(token.decode())
        peer.answer(correlation_id, sasl_answer(0, None, server.get_server_final().encode()))
        plain_script(peer)

    return script


def scram(mechanism: str) -> Security:
    jaas = f'{SCRAM_MODULE} required username="ada" password="s3cret";'
    return Security.from_properties(SASL | {"sasl.mechanism": mechanism, "sasl.jaas.config": jaas})


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_scram(mechanism: str) -> None:
    with scripted(scram_server(mechanism, "s3cret")) as port:
        assert heartbeat(port, scram(mechanism)) == 0


def test_a_mechanism_that_the_broker_lacks() -> None:
    def script(peer: Peer) -> None:
        peer.answer(peer.read_request()[2], handshake_answer(33, "GSSAPI", "OAUTHBEARER"))

    with scripted(script) as port, pytest.raises(Unreachable, match=r"error 33\); it offers GSSAPI, OAUTHBEARER"):
        heartbeat(port, Security.from_properties(SASL))


def test_a_refused_login_says_what_the_broker_says() -> None:
    def script(peer: Peer) -> None:
        shake_hands(peer, "PLAIN")
        peer.answer(read_token(peer)[0], sasl_answer(58, "no such user", b""))

    with scripted(script) as port, pytest.raises(Unreachable, match=r"no such user \(error 58\)"):
        heartbeat(port, Security.from_properties(SASL))


def test_a_broker_that_does_not_know_the_password_is_unmasked() -> None:
    def script(peer: Peer) -> None:
        shake_hands(peer, "SCRAM-SHA-256")
        peer.answer(read_token(peer)[0], sasl_answer(0, None, b"r=another,s=QSXCR+Q6sek8bf92,i=4096"))

    with scripted(script) as port, pytest.raises(Unreachable, match="side of SCRAM-SHA-256 is wrong"):
        heartbeat(port, scram("SCRAM-SHA-256"))


def test_the_vector_of_rfc_7677() -> None:
    client = scram_client("SCRAM-SHA-256", "user", "pencil", nonce="rOprNGfwEbeRWgbNEkqO")
    assert client.get_client_first() == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    joined = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    client.set_server_first(f"r={joined},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
    assert client.get_client_final() == f"c=biws,r={joined},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    client.set_server_final("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_the_vector_of_rfc_5802() -> None:
    client = scram_client("SCRAM-SHA-1", "user", "pencil", nonce="fyko+d2lbbFgONRv9qkxdawL")
    joined = "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
    assert client.get_client_first() == "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"
    client.set_server_first(f"r={joined},s=QSXCR+Q6sek8bf92,i=4096")
    assert client.get_client_final() == f"c=biws,r={joined},p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
    client.set_server_final("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")


@pytest.mark.parametrize("username", ["a=b", "a,b", "=2C"])
def test_names_with_the_protocols_own_signs_are_escaped(username: str) -> None:
    first = scram_client("SCRAM-SHA-256", username, "p", nonce="abc").get_client_first()
    assert first == f"n,,n={username.replace('=', '=3D').replace(',', '=2C')},r=abc"
