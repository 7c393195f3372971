"""A project's folder to first services: `asyncinit new`; reads files, runs nothing of the project."""
