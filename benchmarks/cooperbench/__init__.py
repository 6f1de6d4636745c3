"""CooperBench as a benchmark of landing: its pairs of real features, merged by git and by `wto`. No model takes part.

Belongs here: reading the data set and its subjects from folders that somebody else keeps, and measuring.
Does not: any data of it, or any figure (`benchmarks/README.md`).
"""
