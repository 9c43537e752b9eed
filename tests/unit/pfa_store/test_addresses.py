"""Settings that are addresses."""

import pytest
from pydantic import ValidationError

from pfa_store.settings import Settings


@pytest.mark.parametrize("proxies", ["", "127.0.0.1", "10.0.0.0/8, ::1"])
def test_addresses_and_networks_are_taken(proxies: str) -> None:
    assert Settings(trusted_proxies=proxies).trusted_proxies == proxies


@pytest.mark.parametrize("proxies", ["*", "proxy", "127.0.0.1, everybody", "10.0.0.1/8"])
def test_names_and_wildcards_are_not(proxies: str) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        Settings(trusted_proxies=proxies)


@pytest.mark.parametrize("endpoint", ["collector:4318", "grpc://collector", "/v1/traces"])
def test_traces_go_by_http_only(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="traces_endpoint"):
        Settings(traces_endpoint=endpoint)
