"""What ends the building of an image with a sentence."""


class BuildError(Exception):
    """What could not be done, why, and what to do about it."""
