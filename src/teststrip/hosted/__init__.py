"""What engines share that ask a service: addresses, keys, tables of models, bounded threads, repeats, kinds of trouble.

    addresses       which hosts may be asked
    connections     an HTTP client that knows whether a request was sent
    configuration   the user's own file: servers, and models that the shipped tables do not know
    keys            from the environment or the keyring
    models          dated tables of models: state, values, prices
    checked         from the bytes of an answer to a picture, or to a trouble
    contradicted    whether a picture is the one that was asked for
    tokens          what pictures cost by the token, before and after
    engine          what all hosted engines do alike
    own_server      a server of the user's own that costs nothing: what `webui` and `comfyui` ask alike
    predict         Imagen's protocol, for endpoints of the user's own
    trouble         why a request gave no picture, by what may be done about it
    asking          requests in threads, repeats by kind of trouble, money reserved before each

Knows neither the folder nor a single service. A new hosted engine is one file in `engines/`: it builds a request, reads
an answer, and raises a `Trouble` where there is no picture.
"""
