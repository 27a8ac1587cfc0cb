"""The heart: detached runs of a model that write event logs; everything that answers HTTP only reads those logs."""
