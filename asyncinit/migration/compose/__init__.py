"""Docker Compose files to services that run without containers; runs no docker, fetches no image."""
