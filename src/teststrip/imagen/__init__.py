"""The open implementation of Imagen, imagen-pytorch: models on this disk, and the process that makes their pictures.

    knobs         the settings, for all stages of a model or for one
    models        a model's folder: configuration, headers of its weights, text encoder
    checkpoints   what lies in a trainer's checkpoint, read without running code of it
    process       the run's side of the process
    child         the program of the process: the only place that imports the package

The package runs in a process of its own because importing it needs changes to `sys.modules`, and because a crash or a
hang in it must cost the images concerned and no others.
"""
