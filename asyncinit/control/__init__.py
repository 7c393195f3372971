"""The Varlink interface io.asyncinit: its text, types, framing and places; knows neither server nor client."""
