"""Conversations: the rules of Discord's voice gateway and of DAVE over time.

Everything here is sans-IO: what happened goes in with the instant `now` (seconds on one monotonic clock), what is to be
done comes back as a list of effects. No sockets, no threads, no clock; one thread owns an object.
"""
