"""Timers of services: the calendar, the wall clock's alarm, the stamps on disk, and who starts what and when."""
