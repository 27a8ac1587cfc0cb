"""The index of passages: Qdrant's engine in a process of ours, or a Qdrant server, behind one interface."""
