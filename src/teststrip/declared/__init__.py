"""Services that the user's configuration declares: where to ask, what to send, and what to read in the answers.

    places      `{prompt}` in a body or an address
    paths       `images.0.url` in an answer
    service     the nouns: a service and its steps
    tables      checked reading of tables of TOML, with errors that say where
    steps       what the steps of a declaration send, and where
    reading     a declaration becomes a `Service`, or an error that says where, what, and the remedy
    hosts       to which hosts the steps of a service may go
    requests    one HTTP request of a step, and what its answer says
    pictures    from an answer to the bytes of its picture
    facts       what answers say beside the picture
    dialogue    submit, poll, fetch: from a shot to a picture or a `Trouble`

Knows no single service and no folder. A declaration is data of the user's own: it holds no program and no key.
"""
