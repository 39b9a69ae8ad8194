"""No address in a configuration leads into the user's own network, unless the user says so."""

from __future__ import annotations

import pytest

from teststrip.errors import EngineError
from teststrip.hosted.addresses import Reach, reach

OWN = ["10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "[fd00::1]", "[::ffff:10.0.0.1]", "0.0.0.0", "240.0.0.1"]
NEVER = ["169.254.169.254", "[fe80::1]", "224.0.0.1", "[ff02::1]", "[::ffff:169.254.169.254]", "0.0.0.0"]
UNUSUAL = ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1.", "0x7f.1", "1.2.3"]
NONE = [
    "",
    "example.com",
    "ftp://example.com",
    "file:///etc/passwd",
    "https://",
    "https://[::1",
    "https://h:port",
    "//h",
]


@pytest.mark.parametrize("host", OWN)
def test_an_address_of_the_own_network_is_refused_by_default(host: str) -> None:
    with pytest.raises(EngineError):
        reach(f"https://{host}/v1")


@pytest.mark.parametrize("host", NEVER)
def test_where_clouds_hand_out_credentials_is_never_asked(host: str) -> None:
    with pytest.raises(EngineError):
        reach(f"https://{host}/v1", private=True)


@pytest.mark.parametrize("host", UNUSUAL)
def test_numbers_that_some_resolvers_read_as_addresses_are_refused(host: str) -> None:
    for scheme in ("http", "https"):
        with pytest.raises(EngineError):
            reach(f"{scheme}://{host}/v1", http=True, private=True)


@pytest.mark.parametrize("url", NONE)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(EngineError):
        reach(url, http=True, private=True)


def test_without_encryption_only_this_machine_is_asked_unless_the_user_says_so() -> None:
    for host in ("localhost", "127.0.0.1", "127.8.8.8", "[::1]"):
        assert reach(f"http://{host}:8000/v1").private
    with pytest.raises(EngineError, match="without encryption"):
        reach("http://api.example.com/v1")
    assert reach("http://api.example.com/v1", http=True) == Reach("api.example.com")


def test_a_key_in_a_url_is_refused_and_not_repeated() -> None:
    for url in ("https://me:s3cret@example.com/v1", "https://s3cret@example.com", "https://example.com/?key=s3cret#a"):
        with pytest.raises(EngineError) as refused:
            reach(url)
        assert "me:s3cret" not in str(refused.value)


def test_a_name_is_judged_by_all_its_addresses_when_it_is_connected_to() -> None:
    with pytest.raises(EngineError, match="your own network"):
        Reach("localhost").resolve("localhost", 80)
    assert "127.0.0.1" in Reach("localhost", private=True).resolve("localhost", 80)


def test_another_host_than_the_named_one_is_not_asked() -> None:
    with pytest.raises(EngineError, match="another host"):
        Reach("localhost", private=True).resolve("127.0.0.1", 80)
