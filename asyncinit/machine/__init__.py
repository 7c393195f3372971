"""What PID 1 of a machine does around supervising: it makes the machine usable first, and ends it at last."""
