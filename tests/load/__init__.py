"""What one worker holds: crowds of users, thousands of open streams, readers that do not read, documents beside chats.

    make load ARGS="--only streams --streams 1000"

The worker is the service as an operator runs it, with storage on; the model's server (`vendor`) answers at once or at
its pace and keeps what it said, so that every answer is compared with that. `crowd`, `streams`, `readers`, `documents`
and `search` are what is measured, `worker` and `cores` what runs where, `report` how it is told. Only a wrong answer
makes a run fail.
"""
