# SPDX-License-Identifier: Apache-2.0
"""What happened to traffic can be read: sessions, events and counters."""

ICMP = 1


def fetch(client, target, port, path="/"):
    return client.run(f"curl --silent --max-time 2 http://{target['server']['ipv4']}:{port}{path}")


def test_session_is_listed_while_it_lives(client, target, stellar):
    client.run(f"ping -c 1 -W 2 {target['server']['ipv4']}")

    sessions = stellar("session list")["sessions"]

    responders = [each["responder"]["address"] for each in sessions if each["protocol"] == ICMP]
    assert target["server"]["ipv4"] in responders


def test_drop_event_names_the_rule_that_rejected(client, target, events):
    port = target["rejected_port"]

    fetch(client, target, port)

    event = events.wait("drop", dest_ip=target["server"]["ipv4"], dest_port=port)
    assert event["src_ip"] == target["client_address"]["ipv4"]
    assert event["stellar"]["rule"] == target["rejected_rule"]


def test_drop_event_says_that_no_rule_matched(client, target, events):
    port = target["dropped_port"]

    fetch(client, target, port)

    event = events.wait("drop", dest_ip=target["server"]["ipv4"], dest_port=port)
    assert event["src_ip"] == target["client_address"]["ipv4"]
    assert event["drop"]["reason"] == "policy_default"


def test_flow_event_follows_the_end_of_a_session(client, target, events):
    port = target["allowed_port"]

    fetch(client, target, port)

    event = events.wait("flow", dest_ip=target["server"]["ipv4"], dest_port=port)
    assert event["flow"]["bytes_toclient"] > 0


def test_counters_obey_the_conservation_law(stellar):
    packets = stellar("stats")["packets"]

    gone = packets["forwarded"] + sum(packets["dropped"].values())
    assert packets["received"] + packets["generated"] == gone + packets["local"] + packets["held"]


def test_no_event_was_lost(stellar):
    assert stellar("stats")["output"]["lost"] == 0
