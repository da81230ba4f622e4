"""Moves: the daemon, its loops and timetable, the command line. The composition root lives here."""
