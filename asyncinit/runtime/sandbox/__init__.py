"""Processes in other PID namespaces: how they are placed there, and how it is known how they end; no service."""
