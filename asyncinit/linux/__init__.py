"""The kernel's calls, one function each, named as in the manual; knows nothing of services or asyncio."""
