"""What services and asyncinit say: captured, formatted, remembered, written without ever blocking."""
