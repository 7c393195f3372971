"""What is seen to while a service is up: its health probes and its watchdog."""
