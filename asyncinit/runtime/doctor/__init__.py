"""What is not as it should be: rights and kernel features that are missing, processes that belong to nobody."""
