"""What only a real browser can show: Chromium, headless, on the app's own pages."""
