"""Make processes: from a specification to an exec, and back to a status; decides nothing about services."""
