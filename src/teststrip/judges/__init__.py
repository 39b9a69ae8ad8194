"""Judges: models that vote. What they are asked, where they are declared, and the two kinds: on this disk, or a server.

    questions    the words around two pictures, and how an answer is read
    declared     [judges.NAME] of the user's configuration
    opening      from what is declared to what answers
    local        a vision-language model of transformers on this machine
    served       a server that speaks OpenAI's chat completions

A judge is asked one question at a time and knows no study, no setting and no vote. Who asks which pairs, and what
becomes of the answers, stands in `verbs.judging`.
"""
