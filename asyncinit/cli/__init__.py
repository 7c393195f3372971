"""The command line: arguments, words and tables for people; all work is done by client or runtime."""
