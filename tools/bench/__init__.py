"""Figures, measured from outside the process: wire times come from the kernel."""
