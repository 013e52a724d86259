# SPDX-License-Identifier: Apache-2.0
"""Real traffic from the client to the server: what the policy allows arrives, the rest does not."""

import pytest

CURL_COULD_NOT_CONNECT = 7
CURL_TIMED_OUT = 28

families = pytest.mark.parametrize("family", ["ipv4", "ipv6"])


@pytest.fixture
def fetch(client, target, family):
    """Request a page of the server, by port and path, over one address family."""
    address = target["server"][family]
    name = f"[{address}]" if family == "ipv6" else address

    def request(port, path="/"):
        curl = "curl --silent --show-error --fail --max-time 3"
        return client.run(f"{curl} http://{name}:{port}{path}")

    return request


@families
def test_allowed_request_is_answered(fetch, target):
    result = fetch(target["allowed_port"])

    assert result.rc == 0, result.stderr
    assert result.stdout == target["page"]


@families
def test_dropped_request_gets_no_answer(fetch, target):
    result = fetch(target["dropped_port"])

    assert result.rc == CURL_TIMED_OUT, result.stderr


@families
def test_rejected_request_is_refused(fetch, target):
    result = fetch(target["rejected_port"])

    assert result.rc == CURL_COULD_NOT_CONNECT, result.stderr


@families
def test_ping_is_answered(client, target, family):
    result = client.run(f"ping -c 3 -i 0.2 -W 2 {target['server'][family]}")

    assert ", 0% packet loss" in result.stdout


@families
def test_large_packets_cross_whole(client, target, family):
    # 1500 bytes of MTU, less the headers of IP and ICMP.
    payload = {"ipv4": 1472, "ipv6": 1452}[family]

    result = client.run(f"ping -c 2 -i 0.2 -W 2 -M do -s {payload} {target['server'][family]}")

    assert ", 0% packet loss" in result.stdout
