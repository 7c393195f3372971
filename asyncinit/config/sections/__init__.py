"""The tables of a service, one module each: its keys, what they resolve to, and how that is shown again."""
