"""The soak: a whole call among faults drawn from a seed, and what was lost in it, by cause."""
