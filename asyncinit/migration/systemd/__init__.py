"""Units of systemd to services: services, sockets, timers and targets, with their drop-ins; talks to no systemd."""
