"""A client that knows of each request whether it was sent, whatever happens to the connection, and when."""

from __future__ import annotations

import gzip
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.hosted.service import Fault, Reply, Request, Service

from teststrip.hosted.addresses import Reach, reach

httpx2 = pytest.importorskip("httpx2")
connections = pytest.importorskip("teststrip.hosted.connections")


class Echo(Service):
    def reply(self, request: Request) -> Reply:
        return Reply(body={"asked": request.body, "filling": "x" * 100_000}, billed=1.0)

    def prompt(self, request: Request) -> str:
        return str(request.body)


@pytest.fixture
def service():
    with Echo() as echo:
        yield echo


def ask(service: Service, seconds: float = 5.0):
    with connections.client(reach(service.url), seconds=seconds) as client:
        return client.post(service.url, json="an owl")


def test_a_whole_answer_is_an_answer(service: Service) -> None:
    assert ask(service).json()["asked"] == "an owl"


@pytest.mark.parametrize("way", ["close", "reset", "stall", "drip"])
@pytest.mark.parametrize("phase", ["read", "headers", "half"])
def test_what_was_read_and_not_answered_whole_is_lost(service: Service, way, phase) -> None:
    service.spoil = lambda _: Fault(way, phase)
    began = time.monotonic()
    with pytest.raises(connections.Lost):
        ask(service, seconds=0.3)
    assert time.monotonic() - began < 3.0
    assert len(service.billed) == 1


@pytest.mark.parametrize("way", ["head", "hints"])
@pytest.mark.parametrize("own", [None, 0.3])
def test_the_time_of_an_answer_bounds_its_head_and_all_interim_answers(service: Service, way, own) -> None:
    service.spoil = lambda _: Fault(way, "read")
    began = time.monotonic()
    seconds, more = (0.3, {}) if own is None else (30.0, {"timeout": own})
    with connections.client(reach(service.url), seconds=seconds) as client, pytest.raises(connections.Lost):
        client.post(service.url, json="an owl", **more)
    assert time.monotonic() - began < 3.0
    assert len(service.billed) == 1


def test_the_time_of_an_answer_bounds_an_encrypted_head_too(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = certificate(tmp_path, "localhost")
    service.encrypt(file)
    service.spoil = lambda _: Fault("head", "read")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    url, began = service.url.replace("http://127.0.0.1", "https://localhost"), time.monotonic()
    with connections.client(reach(url), seconds=0.3) as client, pytest.raises(connections.Lost):
        client.post(url, json="an owl")
    assert time.monotonic() - began < 3.0


@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_connection_that_ends_after_the_answer_does_no_harm(service: Service, way) -> None:
    service.spoil = lambda _: Fault(way, "whole")
    assert ask(service).json()["asked"] == "an owl"


def test_a_server_that_is_not_there_was_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    with connections.client(reach(url), seconds=1) as client, pytest.raises(connections.NotSent):
        client.post(url, json="an owl")


def test_a_request_that_broke_in_its_middle_was_not_sent(service: Service) -> None:
    service.spoil = lambda _: Fault("reset", "accepted")
    with connections.client(reach(service.url), seconds=5) as client, pytest.raises(connections.NotSent):
        client.post(service.url, json="x" * 20_000_000)
    assert service.requests == []


def test_a_name_that_does_not_exist_was_sent_nothing() -> None:
    with connections.client(Reach("no-such-host.invalid"), seconds=1) as client, pytest.raises(connections.NotSent):
        client.post("https://no-such-host.invalid/", json="an owl")


def test_a_redirect_to_another_host_is_not_followed_and_no_other_host_can_be_asked(service: Service) -> None:
    service.instead = lambda _: Reply(302, headers={"location": "http://169.254.169.254/latest/meta-data"})
    assert ask(service).status_code == 302
    with connections.client(Reach("example.com"), seconds=1) as client, pytest.raises(connections.Forbidden):
        client.post(service.url, json="an owl")


def test_proxies_and_passwords_of_the_environment_are_not_heard(service: Service, monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9/")
    assert ask(service).status_code == 200


def test_an_answer_larger_than_any_picture_is_not_read_to_its_end(service: Service) -> None:
    service.instead = lambda _: Reply(body=b"x" * (connections.MOST_BYTES + 1_000_000))
    with pytest.raises(connections.Lost, match="larger than 96 MB"):
        ask(service, seconds=30)


def test_a_packed_answer_is_not_unpacked(service: Service) -> None:
    packed = gzip.compress(b"0" * 50_000_000)
    service.instead = lambda _: Reply(body=packed, headers={"content-encoding": "gzip"})
    answer = ask(service)
    assert answer.content == packed
    assert service.requests[0].headers["accept-encoding"] == "identity"


def certificate(folder: Path, *names: str) -> Path:
    """A certificate for these names, with its key, that nobody signed."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    forms = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = folder / "certificate.pem"
    file.write_bytes(key.private_bytes(*forms) + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize(("name", "works"), [("localhost", True), ("example.com", False)])
def test_tls_checks_the_name_and_not_the_address_that_was_connected_to(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, works: bool
) -> None:
    file = certificate(tmp_path, name)
    service.encrypt(file)
    url = service.url.replace("http://127.0.0.1", "https://localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with connections.client(reach(url), seconds=5) as client:
        if works:
            assert client.post(url, json="an owl").json()["asked"] == "an owl"
        else:
            with pytest.raises(connections.NotSent, match="CERTIFICATE_VERIFY_FAILED"):
                client.post(url, json="an owl")
    monkeypatch.delenv("SSL_CERT_FILE")
    with connections.client(reach(url), seconds=5) as client, pytest.raises(connections.NotSent):
        client.post(url, json="an owl")  # a certificate that nobody signed
