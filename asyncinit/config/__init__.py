"""What is declared: files to specifications; knows nothing of running services."""
