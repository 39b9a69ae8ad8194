"""`python -m teststrip.study [reference|schema|template|tools]` prints what is generated."""

import json
import sys

from teststrip.study.other_tools import page
from teststrip.study.reference import reference, schema, template

match sys.argv[1:]:
    case ["schema"]:
        sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
    case ["template"]:
        sys.stdout.write(template())
    case ["tools"]:
        sys.stdout.write(page())
    case _:
        sys.stdout.write(reference())
