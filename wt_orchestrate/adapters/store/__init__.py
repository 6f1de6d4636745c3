"""The event log and the lock that says who may write it. Nothing else on disk is memory; everything else can be made again."""
