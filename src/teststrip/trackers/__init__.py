"""Trackers are notified of what a run does; one file each, found through entry points.

listeners   the trackers of a run           wandb, mlflow, trackio, tensorboard   show a study elsewhere
process     a tracker in its own process    progress                              the bar in the terminal
reporting   when a tracker shows what       content                               what it shows of a study
                                            mirror                                copies of the pictures at a URL
"""
