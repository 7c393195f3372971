"""The words of the kernel's command line, and the arguments that it hands to PID 1."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.config.spec import LogFormat
from asyncinit.machine.command_line import WORDS, KernelWords, split, understand


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("root=/dev/vda ro quiet\n", ["root=/dev/vda", "ro", "quiet"]),
        ('a="b c" "d e=f" g""h', ["a=b c", "d e=f", "gh"]),
        ("tab\there  twice", ["tab", "here", "twice"]),
        ('open="to the end', ["open=to the end"]),
    ],
)
def test_words_are_split_as_the_kernel_does(line: str, words: list[str]) -> None:
    """At blanks that are not between double quotes, which are no part of a word."""
    assert split(line) == words


@pytest.mark.parametrize(
    ("line", "arguments", "expected"),
    [
        ("root=/dev/vda ro console=ttyS0", (), KernelWords()),
        ("quiet", (), KernelWords(quiet=True)),
        ("asyncinit.debug", (), KernelWords(debug=True)),
        ("asyncinit.debug=no quiet=1", (), KernelWords(quiet=True, unknown=("asyncinit.debug=no",))),
        ("asyncinit.target=web asyncinit.target=shop", (), KernelWords(target="shop")),
        ("single", ("single",), KernelWords(target="rescue")),
        ("ro S", ("S",), KernelWords(target="rescue")),
        ("-b", (), KernelWords(emergency=True)),
        ("asyncinit.hostname=alpha", (), KernelWords(hostname="alpha")),
        ("asyncinit.profile=a,b ro -- --profile c", ("--profile", "c"), KernelWords(profiles=("a,b", "c"))),
        ("asyncinit.credit-seed=1", (), KernelWords(credit_seed=True)),
        (
            "asyncinit.tarjet=web asyncinit.target=",
            (),
            KernelWords(unknown=("asyncinit.tarjet=web", "asyncinit.target=")),
        ),
        ("nonsense and=more", ("nonsense",), KernelWords()),
        ("quiet -- -v -v", ("-v", "-v"), KernelWords(quiet=True, more=2)),
        ("quiet -- -v --config=/a.toml", (), KernelWords(quiet=True, more=1, config="/a.toml")),
        (
            "ro -- --services /a --services /b --log-format json single",
            ("--services", "/a", "--services", "/b", "--log-format", "json", "single"),
            KernelWords(services=("/a", "/b"), log_format="json", target="rescue"),
        ),
        ("ro", ("--config", "/of/a/script.toml"), KernelWords(config="/of/a/script.toml")),
        ("ro -- --log-format nonsense -v", (), KernelWords(unknown=("--log-format=nonsense",), more=1)),
        ("ro -- --sevices /a --config", (), KernelWords(unknown=("--sevices", "--config"))),
    ],
)
def test_what_is_understood(line: str, arguments: tuple[str, ...], expected: KernelWords) -> None:
    """Of the kernel's line what is ours, of what stands after " -- " the options; nothing is ever an error."""
    assert understand(line, arguments) == expected


@given(st.text(), st.lists(st.text()))
def test_nothing_is_an_error(line: str, arguments: list[str]) -> None:
    """Whatever stands there: an init that ends for its arguments is a panic."""
    found = understand(line, arguments)
    assert found.log_format in {None, *LogFormat}
    assert abs(found.verbosity) <= len(line) + len(arguments) + 1


@pytest.mark.parametrize(("line", "verbosity"), [("", 0), ("quiet", -1), ("quiet asyncinit.debug", 1), ("-- -v -v", 2)])
def test_how_much_is_told(line: str, verbosity: int) -> None:
    """Debug is stronger than quiet, and options come on top."""
    assert understand(line).verbosity == verbosity


@pytest.mark.parametrize("word", [word for text, _ in WORDS for word in re.split(", ", text) if "OPTION" not in word])
def test_every_documented_word_is_understood(word: str) -> None:
    """What the reference lists changes something, but for the variable by which no machine is recognised."""
    assert (understand(word) != KernelWords()) is (not word.startswith("container="))
