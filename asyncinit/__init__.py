"""asyncinit: an init system, one asyncio loop as PID 1.

The layers, each importing only from those to its right (`tests/unit/test_layering.py` holds it):

    __main__ -> cli -> client -> control (protocol) -> config -> errors
    __main__ -> runtime -> core (pure) -> config.spec -> errors
                runtime -> linux (kernel calls) -> errors

- `config`: what is declared. Files to `ServiceSpec`, all errors of all files at once.
- `core`: what should happen. Pure: events in, effects out; no clock, no I/O, no asyncio.
- `linux`: the kernel's calls, one function a call; knows nothing of services.
- `simulation`: the core with a clock and a world that are made up: `asyncinit simulate`.
- `runtime`: the asyncio shell; feeds events to the core and carries out its effects.
- `control`: the Varlink interface `io.asyncinit`: its text, its types, its framing.
- `client`, `cli`: the command.
- `migration`: other programs' files to services, for `asyncinit import`; with `config` alone, as `cli` calls it.
- `tui`: `asyncinit top`, a screen over the control socket; a program of its own, with textual and its own loop.
- `development`: what `asyncinit dev` has around supervising: the project that is meant, and its guardians.
- `reference`: the documentation that is made from the code.
- `machine`: PID 1 of a machine around supervising: recognised, brought up, ended; no loop, no services.
- `wrapper`: `asyncinit -- CMD` without services, without a loop.
- `minimal`: the smallest loop that keeps PID 1's promises when nothing else does.
- `simple_init`: PID 1 of a pod, or beside a service in its own PID namespace: the smallest loop, without power.
- `fallback`: what leads there with services that run, when a program after a re-exec (`runtime.reexec`) fails.

Read `core/lifecycle.py` first: what a service is. Then `core/engine.py`: all services together. Then
`runtime/supervisor.py`: how decisions become system calls.
"""

__version__ = "0.1.0"
