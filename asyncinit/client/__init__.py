"""Talk to a running asyncinit over its control socket, without asyncio."""
