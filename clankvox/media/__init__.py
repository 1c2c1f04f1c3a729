"""Frames and samples: stateful, clock-free (now is an argument), no sockets, no actors."""
