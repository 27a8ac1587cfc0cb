"""What the relay costs: the service against a bare relay and against tutorial code, side by side on this machine.

    make bench ARGS="--vendors openai --only chunks,requests"

Every target is a process of its own and relays the same answers of the loopback vendor (`tests.upstream`), which is
another. `targets` holds the programs that the service is compared with, `contestants` how each is asked, `doors` how
each way into the service is, `load` the client, `figures` what is measured, `report` how it is said. Only a wrong
answer makes a run fail, never a slow one.
"""
