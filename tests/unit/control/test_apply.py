# SPDX-License-Identifier: Apache-2.0
"""A policy is put in force whole or not at all, and found again at the next start."""

import asyncio
from datetime import UTC, datetime

import pytest

from stellar.control.apply import NotKept, PolicyKeeper
from stellar.control.engine_client import EngineClient, EngineRefused, EngineUnavailable
from stellar.policy.errors import PolicyError

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def keeper_of(config, **keywords):
    engine = EngineClient(config.engine_socket, timeout_sec=5)
    return PolicyKeeper(config, engine, now=lambda: NOW, **keywords)


def with_engine(fake_engine, work):
    async def main():
        async with fake_engine.running():
            return await work()

    return asyncio.run(main())


def test_applied_policy_is_kept(config, fake_engine, policy_text):
    keeper = keeper_of(config)

    state = with_engine(fake_engine, lambda: keeper.apply(policy_text, "web.yml"))

    assert (state.generation, state.name, state.applied_at) == (1, "web.yml", NOW.isoformat())
    assert keeper_of(config).history.latest() == state
    assert config.policy_document.read_text() == policy_text
    assert fake_engine.images[0].startswith(b"STLRPOL1")


def test_image_is_taken_away_again(config, fake_engine, policy_text):
    with_engine(fake_engine, lambda: keeper_of(config).apply(policy_text, "web.yml"))

    assert list(config.runtime_directory.glob("policy*")) == []


def test_generation_is_above_that_of_the_engine(config, fake_engine, policy_text):
    fake_engine.generation = 41
    asked = []

    def compile_nothing(text, *, file, interfaces, generation):
        asked.append((interfaces, generation))
        return b"image"

    with_engine(
        fake_engine, lambda: keeper_of(config, compiler=compile_nothing).apply("x", "web.yml")
    )

    assert asked == [(("inside", "outside"), 42)]


def test_generation_is_above_the_one_kept_when_the_engine_lost_its_own(
    config, fake_engine, policy_text
):
    with_engine(fake_engine, lambda: keeper_of(config).apply(policy_text, "web.yml"))
    fake_engine.generation = 0

    state = with_engine(fake_engine, lambda: keeper_of(config).apply(policy_text, "web.yml"))

    assert state.generation == 2


def test_rejected_policy_does_not_reach_the_engine(config, fake_engine):
    with pytest.raises(PolicyError, match="web.yml:1: "):
        with_engine(fake_engine, lambda: keeper_of(config).apply("{}", "web.yml"))

    assert fake_engine.images == []


def test_refused_policy_leaves_the_kept_one(config, fake_engine, policy_text):
    with_engine(fake_engine, lambda: keeper_of(config).apply(policy_text, "web.yml"))
    fake_engine.answers["policy_apply"] = lambda request: {"ok": False, "error": "no", "errno": 1}
    other = policy_text.replace("default: drop", "default: reject")

    with pytest.raises(EngineRefused):
        with_engine(fake_engine, lambda: keeper_of(config).apply(other, "other.yml"))

    assert keeper_of(config).history.latest().text == policy_text


def test_commit_whose_answer_was_lost_counts(config, fake_engine, policy_text):
    def commit_and_say_nonsense(request):
        fake_engine.generation = 1
        return b"nonsense"

    fake_engine.answers["policy_apply"] = commit_and_say_nonsense

    state = with_engine(fake_engine, lambda: keeper_of(config).apply(policy_text, "web.yml"))

    assert state.generation == 1


def test_lost_answer_without_a_commit_is_a_failure(config, fake_engine, policy_text):
    fake_engine.answers["policy_apply"] = lambda request: b"nonsense"

    with pytest.raises(EngineUnavailable):
        with_engine(fake_engine, lambda: keeper_of(config).apply(policy_text, "web.yml"))

    assert keeper_of(config).history.latest() is None


def test_policy_that_can_not_be_written_down_is_said_to_be_in_force(
    config, fake_engine, policy_text
):
    config.policy_document.mkdir()

    with pytest.raises(NotKept, match="in force as generation 1, but not kept"):
        with_engine(fake_engine, lambda: keeper_of(config).apply(policy_text, "web.yml"))


def test_first_start_takes_the_policy_of_the_configuration(config, fake_engine, policy_text):
    state = with_engine(fake_engine, keeper_of(config).restore)

    assert (state.text, state.name) == (policy_text, str(config.policy))


def test_later_start_takes_the_policy_applied_last(config, fake_engine, policy_text):
    other = policy_text.replace("default: drop", "default: reject")
    with_engine(fake_engine, lambda: keeper_of(config).apply(other, "other.yml"))
    fake_engine.generation = 0

    state = with_engine(fake_engine, keeper_of(config).restore)

    assert (state.text, state.generation) == (other, 2)


def test_engine_with_a_policy_is_left_alone(config, fake_engine):
    fake_engine.generation = 5

    assert with_engine(fake_engine, keeper_of(config).restore) is None
    assert fake_engine.images == []


def test_rejected_policy_is_compiled_once_only(config, fake_engine):
    config.policy.write_text("{}")
    compiled = []

    def reject(text, *, file, interfaces, generation):
        compiled.append(text)
        raise PolicyError([])

    keeper = keeper_of(config, compiler=reject)
    for _ in range(3):
        with pytest.raises(PolicyError):
            with_engine(fake_engine, keeper.restore)

    assert compiled == ["{}"]
