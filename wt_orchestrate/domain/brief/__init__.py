"""What an agent is told when an attempt starts, as a function of the state.

Belongs here: the text of briefs and how their parts are chosen within a budget.
Does not: messages to a running agent (`fold/messages`), prompts of the plan drafter (`drafting/prompt`).
"""
