"""A device that runs an exported model, and the serial protocol that it speaks."""
