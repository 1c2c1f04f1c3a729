"""The parent contract: what goes over stdin and stdout, as values. Pure: no threads, no clock, no I/O."""
