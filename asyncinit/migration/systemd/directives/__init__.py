"""The directives of systemd, a module a group: tables of what becomes of each."""
