"""The control socket: a Varlink server over what can be asked of a running asyncinit."""
