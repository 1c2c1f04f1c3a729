"""Effects: an actor matches a message, takes its machine through an event, and acts in straight lines."""
