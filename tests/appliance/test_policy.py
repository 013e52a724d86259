# SPDX-License-Identifier: Apache-2.0
"""The policy in force is the one that was rendered."""


def test_a_policy_is_in_force(stellar):
    assert stellar("policy show")["generation"] >= 1


def test_policy_in_force_is_the_rendered_one(host, config, stellar):
    rendered = host.file(config["policy"]).content_string

    assert stellar("policy show")["text"] == rendered


def test_engine_and_control_agree_on_the_generation(stellar):
    assert stellar("policy show")["generation"] == stellar("stats")["policy"]["generation"]
