# SPDX-License-Identifier: Apache-2.0
"""The delay before a restart."""

from stellar.control.restart import RestartDelay


def test_first_death_is_restarted_at_once():
    assert RestartDelay().after(0.0) == 0.0


def test_delay_doubles_to_its_limit_while_deaths_are_quick():
    restart = RestartDelay()

    delays = [restart.after(9.9) for _ in range(2000)]

    assert delays[:9] == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert delays[-1] == 5.0


def test_long_life_forgets_earlier_deaths():
    restart = RestartDelay()
    for _ in range(5):
        restart.after(0.0)

    assert restart.after(10.0) == 0.0
    assert restart.after(0.0) == 0.1
