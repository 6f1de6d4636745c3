"""The whole orchestrator under chance: the real domain and engine over a simulated git, processes, disk and clock."""
