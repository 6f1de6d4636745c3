"""The turn: readings become events, events fold into state, the machine asks for effects, effects are performed."""
