"""Who may talk to the live page: a matrix of headers, against the rules and not against the code."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teststrip.views.gate import JUDGED, Gate, Refusal, is_loopback, single, split_host

PORT = 8123
OWN = f"127.0.0.1:{PORT}"


def gate(**options: object) -> Gate:
    return Gate(PORT, **options)  # type: ignore[arg-type]


def entered(some: Gate) -> str:
    session = some.enter(some.code())
    assert isinstance(session, str)
    return session


@pytest.mark.parametrize(
    "host",
    [OWN, f"localhost:{PORT}", f"LOCALHOST:{PORT}", f"localhost.:{PORT}", f"[::1]:{PORT}", "127.0.0.1", "localhost"],
)
def test_the_names_of_this_machine_are_known(host: str) -> None:
    some = gate()
    assert some.refuse("GET", "/data.js", {"host": host}, entered(some)) is None


@pytest.mark.parametrize(
    "host",
    [
        "",
        "attacker.test",
        f"attacker.test:{PORT}",
        "localhost:http",
        f"127.0.0.1.attacker.test:{PORT}",
        f"localhost@attacker.test:{PORT}",
        f"0.0.0.0:{PORT}",
        "[::1",
        f"[::1]x:{PORT}",
        f"localhost..:{PORT}",
        "127.0.0.1:８１２３",
    ],
)
def test_any_other_name_is_misdirected_even_with_a_session(host: str) -> None:
    some = gate()
    refusal = some.refuse("GET", "/data.js", {"host": host}, entered(some))
    assert refusal is not None
    assert refusal.status == 421


ORIGINS = (None, f"http://{OWN}", "null", "http://attacker.test", f"https://{OWN}")
SITES = (None, "same-origin", "none", "same-site", "cross-site")
HEADERS = ({}, {"content-type": "application/json", "x-teststrip": "1"})


@pytest.mark.parametrize(("origin", "site", "extra", "known"), list(product(ORIGINS, SITES, HEADERS, (True, False))))
def test_a_change_needs_own_origin_json_and_header(
    origin: str | None, site: str | None, extra: dict, known: bool
) -> None:
    some = gate()
    headers = {"host": OWN, **extra}
    if origin is not None:
        headers["origin"] = origin
    if site is not None:
        headers["sec-fetch-site"] = site
    allowed = origin == f"http://{OWN}" and site in (None, "same-origin", "none") and bool(extra)
    refusal = some.refuse("POST", "/session", headers, entered(some) if known else None)
    assert (refusal is None) == allowed


@pytest.mark.parametrize("path", ["/data.js", "/events", "/images/ab/x.png", "/thumbs/x.webp"])
def test_nothing_of_a_study_is_shown_without_a_session(path: str) -> None:
    refusal = gate().refuse("GET", path, {"host": OWN}, None)
    assert refusal is not None
    assert refusal.status == 401
    assert gate().refuse("GET", path, {"host": OWN}, "made up") is not None


def test_another_page_cannot_listen_or_load_but_a_link_may_lead_here() -> None:
    some = gate()
    session = entered(some)
    foreign = {"host": OWN, "sec-fetch-site": "cross-site"}
    assert some.refuse("GET", "/events", {**foreign, "sec-fetch-mode": "cors"}, session) is not None
    assert some.refuse("GET", "/images/ab/x.png", {**foreign, "sec-fetch-mode": "no-cors"}, session) is not None
    assert some.refuse("GET", "/", {**foreign, "sec-fetch-mode": "navigate"}, None) is None


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_other_methods_are_not_understood(method: str) -> None:
    some = gate()
    refusal = some.refuse(method, "/", {"host": OWN}, entered(some))
    assert refusal is not None
    assert refusal.status == 405


def test_a_code_opens_once() -> None:
    some = gate()
    code = some.code()
    assert isinstance(some.enter(code), str)
    assert isinstance(some.enter(code), Refusal)


def test_a_standing_token_opens_again_and_again() -> None:
    some = gate(token="t" * 40)
    assert isinstance(some.enter("t" * 40), str)
    assert isinstance(some.enter("t" * 40), str)


def test_ten_wrong_codes_close_the_door_of_the_token_for_a_minute() -> None:
    now = [0.0]
    some = gate(clock=lambda: now[0], token="t" * 40)
    for _ in range(10):
        refusal = some.enter("wrong")
        assert isinstance(refusal, Refusal)
        assert refusal.status == 403
    refused = some.enter("t" * 40)
    assert isinstance(refused, Refusal)
    assert refused.status == 429
    now[0] = 61.0
    assert isinstance(some.enter("t" * 40), str)


def test_wrong_codes_of_another_program_never_keep_the_owner_of_a_link_out() -> None:
    some = gate()
    code = some.code()
    for _ in range(100):
        assert isinstance(some.enter("wrong"), Refusal)
    assert isinstance(some.enter(code), str)


@given(st.text(st.characters() | st.characters(categories=["Cs"])))
def test_any_text_may_be_given_for_a_code_a_token_or_a_session(text: str) -> None:
    for some in (gate(), gate(token="\udcff" * 40)):
        assert isinstance(some.enter(text), Refusal)
        assert not some.knows(text)


@given(st.ip_addresses(network="127.0.0.0/8"), st.integers(1, 65535))
def test_any_loopback_address_is_known_at_any_port_because_tunnels_change_ports(address: object, port: int) -> None:
    some = gate()
    session = entered(some)
    for name in (str(address), "localhost", "[::1]"):
        headers = {"host": f"{name}:{port}", "origin": f"http://{name}:{port}"}
        assert some.refuse("GET", "/data.js", headers, session) is None
        refusal = some.refuse("GET", "/data.js", {**headers, "origin": f"http://{name}:{port + 1}"}, session)
        assert refusal is not None
        assert refusal.status == 403


@given(st.from_regex(r"[a-z0-9-]{1,20}(\.[a-z0-9-]{1,20}){0,3}", fullmatch=True).filter(lambda n: not is_loopback(n)))
def test_a_name_that_leads_here_by_rebinding_is_misdirected(name: str) -> None:
    for host in (name, f"{name}:{PORT}", f"127.0.0.1.{name}", f"localhost.{name}:{PORT}"):
        refusal = gate().refuse("GET", "/", {"host": host, "origin": f"http://{host}"}, None)
        assert refusal is not None
        assert refusal.status == 421


def test_a_name_that_others_reach_is_known_at_its_own_port_alone() -> None:
    some = gate(hosts=("192.0.2.1",), token="t" * 40)
    session = entered(some)
    assert some.refuse("GET", "/data.js", {"host": f"192.0.2.1:{PORT}"}, session) is None
    assert some.refuse("GET", "/data.js", {"host": "192.0.2.1:1"}, session) is not None


@pytest.mark.parametrize("name", sorted(JUDGED))
def test_a_header_that_is_judged_by_stands_once(name: str) -> None:
    assert isinstance(single([(name, "a"), ("x", "b"), (name.upper(), "a")]), Refusal)
    assert single([(name, "a"), ("x", "b"), ("x", "c")]) == {name: "a", "x": "c"}


def test_a_body_has_one_length() -> None:
    assert isinstance(single([("Content-Length", "1"), ("Transfer-Encoding", "chunked")]), Refusal)


def test_codes_and_sessions_are_256_bits_and_never_the_same() -> None:
    some = gate()
    codes = {some.code() for _ in range(100)}
    assert len(codes) == 100
    assert {len(code) for code in codes} == {43}


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True), ("localhost", True), ("0.0.0.0", False),
     ("::", False), ("192.168.1.4", False), ("my-machine", False), ("", False), ("localhost.attacker.test", False)],
)  # fmt: skip
def test_only_loopback_is_this_machine_alone(host: str, own: bool) -> None:
    assert is_loopback(host) is own


def test_a_host_with_two_ports_is_malformed() -> None:
    assert split_host("a:1:2") == ("", None)
