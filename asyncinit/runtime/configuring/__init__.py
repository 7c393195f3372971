"""The configuration that holds, and how another one takes its place while services run."""
