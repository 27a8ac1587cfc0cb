"""The AI SDK's door: `useChat` and its transport."""
