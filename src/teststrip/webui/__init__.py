"""The web UIs of Stable Diffusion: AUTOMATIC1111, Forge, reForge, SD.Next, and servers that speak their protocol.

    web        requests to one server: JSON, Basic auth, and what an error status means
    lists      what a server has: models, samplers, schedules, VAEs, upscalers, styles, options, extensions
    reading    asks a server for its lists
    settings   the settings, by Diffusers' names
    order      one picture as it is asked: every value found in the server's lists, or the reason why not
    said       what an answer says of itself: info, infotext, the text inside the file
    checking   an answer held against what was asked, by all that the server says of it
    options    options that go with pictures, and which of them a run sets back at its end
    tasks      which picture a server is at, so that only our own is interrupted
    served     what a server has, as settings and as a study that fits it

These servers answer 200 and draw with another model, sampler or schedule where they do not know a name. So each name is
looked up before a picture is asked, and each answer is compared after. Both must agree, or there is no picture.
"""
