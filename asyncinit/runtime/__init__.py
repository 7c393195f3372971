"""The asyncio shell: feeds events to the core and carries out its effects; decides nothing itself."""
