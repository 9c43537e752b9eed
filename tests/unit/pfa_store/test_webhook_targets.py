"""Where webhooks may lead, and how messages are signed."""

import pytest

from pfa_store.errors import WebhookRefused
from pfa_store.webhook_targets import chosen_address, target_of
from pfa_store.webhooks import signed

INSIDE = [
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fc00::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]
PUBLIC = ["1.1.1.1", "93.184.215.14", "2606:4700::1111"]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_refused_by_number_and_by_name(address: str) -> None:
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(WebhookRefused, match="not a public"):
        target_of(f"https://{literal}/hook", allowed=())
    named = target_of("https://hooks.example.org/", allowed=())
    for found in ([address], ["1.1.1.1", address]):
        with pytest.raises(WebhookRefused, match="not a public"):
            chosen_address(named, found)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_taken(address: str) -> None:
    literal = f"[{address}]" if ":" in address else address
    assert target_of(f"https://{literal}/hook", allowed=()).host == address
    assert chosen_address(target_of("https://hooks.example.org/", allowed=()), [address]) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "//example.org",
        "ftp://example.org",
        "http://example.org/",
        "https://",
        "https://user@example.org/",
        "https://user:word@example.org/",
        "https://example.org/#part",
        "https://example.org:99999/",
        "https://[::1/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://a.localhost/",
        "https://printer.local/",
        "https://db.internal/",
        "https://intranet/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://exa mple.org/",
        "https://example.org\\@127.0.0.1/",
        "https://ex\u00e4mple.org/",
        "https://example.org/\r\nHost: x",
        "https://example.org/" + "a" * 2000,
        "https://fe80::1%25eth0/",
    ],
)
def test_what_is_no_public_https_url_is_refused(url: str) -> None:
    with pytest.raises(WebhookRefused):
        target_of(url, allowed=())


def test_the_operator_s_hosts_may_be_inside_and_without_tls() -> None:
    target = target_of("http://127.0.0.1:8080/a?b=1", allowed={"127.0.0.1"})
    assert (target.scheme, target.host, target.port, target.path) == ("http", "127.0.0.1", 8080, "/a?b=1")
    assert target.authority == "127.0.0.1:8080"
    assert chosen_address(target, ["127.0.0.1"]) == "127.0.0.1"
    for other in ("http://127.0.0.2/", "http://127.0.0.1.example.org/", "http://sub.127.0.0.1/"):
        with pytest.raises(WebhookRefused):
            target_of(other, allowed={"127.0.0.1"})


def test_the_default_port_is_not_named() -> None:
    assert target_of("https://Example.org/", allowed=()).authority == "example.org"
    assert target_of("https://example.org:444", allowed=()).authority == "example.org:444"
    assert target_of("https://[2606:4700::1111]/", allowed=()).authority == "[2606:4700::1111]"


def test_a_name_without_addresses_is_refused() -> None:
    with pytest.raises(WebhookRefused, match="no address"):
        chosen_address(target_of("https://example.org/", allowed=()), [])


def test_the_signature_is_that_of_the_published_example() -> None:
    """Secret, id, time, body and signature are those of the reference libraries of Standard Webhooks."""
    headers = signed(
        '{"test": 2432232314}',
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at_s=1614265330.9,
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
