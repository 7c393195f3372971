"""When a service is ready, and what it says of itself; decides nothing."""
