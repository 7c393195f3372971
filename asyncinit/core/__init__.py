"""What should happen: pure decisions, with time and chance as arguments; knows no process, file, loop or clock."""
