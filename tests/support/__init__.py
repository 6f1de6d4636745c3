"""What tests share: repositories, the scripted agent, fakes, a stand-in for the model, waiting on conditions.

Belongs here: anything that two test files need. Does not: a test.
"""
