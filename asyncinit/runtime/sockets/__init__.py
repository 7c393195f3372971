"""The sockets that asyncinit holds for services: opened, passed on, watched for a first connection, closed."""
