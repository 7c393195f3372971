"""Run the wrapper with the options of its command line, as the entry module does."""

import _signal

_signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals() - {4, 5, 6, 7, 8, 11, 31})

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from asyncinit import wrapper

try:
    options = wrapper.parse(sys.argv[1:])
except wrapper.UsageError as error:
    sys.exit(f"asyncinit: {error}")
if options is None:
    sys.exit("usage: wrap.py [--scope S] [--rewrite FROM:TO] [--exit-code FROM:TO] -- CMD...")
wrapper.run(options)
