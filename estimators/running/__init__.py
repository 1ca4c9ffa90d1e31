"""Running a model batch by batch: a session with hooks, the loops, interrupts, what went wrong."""
