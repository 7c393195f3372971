"""Reports of failures: how they are made, where they are kept, and the last word that a container leaves behind."""
