"""ComfyUI: graphs and their places, what a server knows of its nodes, and one picture from one server.

    samplers    the names of samplers and spacings
    families    built-in graphs, which need only the name of a checkpoint
    workflows   graphs of the user's own, with places that settings fill
    nodes       what a server says of a node's inputs, and values that fit them
    graphs      the graph of one shot, as one server reads it
    wire        requests to one server, and what follows where it does not answer
    server      one server: asked, waited for, asked again after a lost answer
    pool        several servers that share a study
    echo        whether a picture came from the graph that was sent
    offered     what a server has, as settings and as a study that fits it

A *place* is an input of a node, written "KSampler.seed": the title or the id of the node, and the name of the input.
"""
