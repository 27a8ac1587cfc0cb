"""What transactions may take, on any server."""

IDLE_TRANSACTION = 10
"""Seconds in which one says nothing, after which the server ends it. Of a process that stands still it would go on to
keep what it has locked from everybody, also from those who want to take over what that process left.
"""
