"""The engine's rooms by themselves, on real databases: what can hardly be brought about from outside."""
