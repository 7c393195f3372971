"""The commands of a machine's services that no distribution has: `python -m asyncinit.machine.programs.NAME`.

Each is a process of its own that a file of `machine/services.d` starts; PID 1 imports none of them. They need the
standard library alone, and little of it, since a machine starts several of them on its way up.
"""
