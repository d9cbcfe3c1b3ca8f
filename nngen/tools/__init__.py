"""External tools: discovery, processes and the files that they need."""
