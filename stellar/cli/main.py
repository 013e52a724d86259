# SPDX-License-Identifier: Apache-2.0
"""The `stellar` command: finds the verb, and turns every end into a line and an exit code.

Each verb is a module with `add_arguments(parser)` and `run(arguments) -> int`, imported when it is
asked for. Nothing here knows what a verb does.
"""

import argparse
import importlib
import os
import sys
import traceback
from dataclasses import dataclass
from typing import NoReturn

from stellar.cli.failure import CommandError, ExitCode
from stellar.engine.config import ConfigError

__all__ = ["VERBS", "Verb", "main"]


@dataclass(frozen=True, slots=True)
class Verb:
    """A command, the module that does it, and a sentence for the help."""

    words: tuple[str, ...]
    sentence: str

    @property
    def module(self) -> str:
        """Name of the module."""
        return "stellar.cli." + "_".join(self.words)


VERBS = (
    Verb(("run",), "run the appliance: engine and control daemon"),
    Verb(("replay",), "run captures through the engine, offline"),
    Verb(("observe",), "give the running appliance's events to a Python file, in batches"),
    Verb(("policy", "check"), "say what is wrong with a policy, if anything"),
    Verb(("policy", "render"), "print the policy that a template makes"),
    Verb(("policy", "apply"), "put a policy in force"),
    Verb(("policy", "show"), "print the policy in force"),
    Verb(("policy", "schema"), "print the JSON Schema of a policy"),
    Verb(("session", "list"), "list sessions"),
    Verb(("session", "show"), "show one session, and why it was judged as it was"),
    Verb(("stats",), "print the counters"),
    Verb(("plugin", "list"), "list the plugins, in order"),
    Verb(("plugin", "reload"), "put a plugin's next version in force"),
    Verb(("plugin", "new"), "write a plugin to start from, with its test"),
    Verb(("plugin", "check"), "say what a plugin declares, or what is wrong with it"),
    Verb(("plugin", "test"), "run the scenarios of a folder"),
    Verb(("plugin", "path"), "print where pkg-config finds stellar"),
    Verb(("interface", "list"), "list the interfaces"),
    Verb(("events",), "print EVE events as they are written"),
    Verb(("version",), "print the version"),
)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(ExitCode.USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    is_debugging = "--debug" in words
    try:
        verb = _find_verb(words)
        module = importlib.import_module(verb.module)
        parser = _Parser(prog=f"stellar {' '.join(verb.words)}", description=module.__doc__)
        parser.add_argument("--debug", action="store_true", help="show where an error comes from")
        module.add_arguments(parser)
        code = int(module.run(parser.parse_intermixed_args(words[len(verb.words) :])))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader has gone (`| head`); what is buffered must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except KeyboardInterrupt:
        return ExitCode.FAILED
    except Exception as error:
        if is_debugging:
            traceback.print_exc()
        return _report(error)


def _report(error: Exception) -> int:
    """Put an error on standard error; returns its exit code."""
    from stellar import engine
    from stellar.policy.errors import PolicyError

    match error:
        case CommandError():
            code = error.code
        case ConfigError():
            code = ExitCode.USAGE
        case PolicyError() | engine.PolicyError():
            code = ExitCode.POLICY_REJECTED
        case engine.StellarError():
            code = ExitCode.FAILED
        case OSError() if error.filename is not None:
            print(f"{error.filename}: {error.strerror}", file=sys.stderr)
            return ExitCode.FAILED
        case _:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"stellar: internal error: {text} (--debug shows where)", file=sys.stderr)
            return ExitCode.FAILED
    print(error, file=sys.stderr)
    return code


def _find_verb(words: list[str]) -> Verb:
    """The verb that the words begin with; ends the program with help when there is none."""
    while words and words[0] == "--debug":
        words.pop(0)
    for verb in VERBS:
        if tuple(words[: len(verb.words)]) == verb.words:
            return verb
    noun = next((verb.words[0] for verb in VERBS if words[:1] == [verb.words[0]]), None)
    if noun is None:
        _end_with_help("stellar", words, VERBS)
    verbs = tuple(verb for verb in VERBS if verb.words[0] == noun)
    _end_with_help(f"stellar {noun}", words[1:], verbs)


def _end_with_help(prog: str, words: list[str], verbs: tuple[Verb, ...]) -> NoReturn:
    """Print the commands when asked to; else say which one is not there."""
    if words and words[0] == "--version":
        raise SystemExit(main(["version"]))
    if not words or words[0] in ("-h", "--help", "help"):
        width = max(len(" ".join(verb.words)) for verb in verbs)
        stream = sys.stdout if words else sys.stderr
        print(f"usage: {prog} ... (each command has --help)\n", file=stream)
        for verb in verbs:
            print(f"  stellar {' '.join(verb.words):<{width}}  {verb.sentence}", file=stream)
        raise SystemExit(ExitCode.OK if words else ExitCode.USAGE)
    known = ", ".join(
        dict.fromkeys(verb.words[-1] if prog != "stellar" else verb.words[0] for verb in verbs)
    )
    print(f"{prog}: expected one of {known}, found {words[0]!r}", file=sys.stderr)
    raise SystemExit(ExitCode.USAGE)


if __name__ == "__main__":
    sys.exit(main())
