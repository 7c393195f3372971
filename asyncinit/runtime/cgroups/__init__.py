"""The cgroups of services: where they are, what holds in them, and what the kernel tells of them.

`tree` is the part of the hierarchy that is ours, `settings` what [limits] means to the kernel, `events` how its news
are heard, `groups` the cgroups of services by name, and the only part that others need.
"""
