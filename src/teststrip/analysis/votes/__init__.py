"""Votes: what raters prefer, modelled on the settings of a study.

    ballots     votes and the shots they are about become arrays        probes      what is odd about a rater
    strengths   settings as strengths, and the contrasts asked          agreement   raters, each other and themselves
    davidson    the model: win, lose or tie, and a favoured side        scale       metrics, measured by the votes
    spread      how sure an estimate is, by prompts, seeds and raters   choice      which pair to show next
    winning     win rates, their intervals and verdicts

`conclude.of_votes` is the door for callers: votes in, one record out. The room knows arrays and records; the ledger,
the page and the words for people are elsewhere. To add a probe, write a function in `probes` and a planted set of votes
that makes exactly this probe fire.
"""
