"""What `asyncinit dev` has around supervising: which project is meant, one asyncinit a project, and who guards it."""
