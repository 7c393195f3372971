"""Which processes belong to a service, and how they are ended; knows nothing of why."""
