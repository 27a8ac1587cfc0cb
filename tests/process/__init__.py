"""The process as an operator has it: how it starts, drains, is killed and comes back."""
