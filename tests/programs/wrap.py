"""Run the wrapper with the options of its command line, as the entry module does; with --unshare as `run` does it."""

# ruff: noqa: E402 - signals are blocked before anything else is imported, which is what is tested

import _signal

_signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals() - {4, 5, 6, 7, 8, 11, 31})

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

if sys.argv[1:2] == ["--unshare"]:
    from asyncinit.cli import unshare

    try:
        unshare.unshare_and_wait()
    except unshare.UnshareError as error:
        sys.stderr.write(f"asyncinit: {error}\n")
        os._exit(70)

from asyncinit import wrapper

try:
    options = wrapper.parse(sys.argv[1:])
except wrapper.UsageError as error:
    sys.stderr.write(f"asyncinit: {error}\n")
    sys.exit(2)
if options is None:
    sys.exit("usage: wrap.py [--scope S] [--rewrite FROM:TO] [--exit-code FROM:TO] -- CMD...")
wrapper.run(options)
