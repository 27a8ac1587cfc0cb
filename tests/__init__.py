"""The tests; they mirror the app's rooms. `upstream` is the loopback vendor, `backend` the app served for real."""
