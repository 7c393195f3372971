"""The Varlink interface io.asyncinit: its text, types and framing; does no input or output."""
