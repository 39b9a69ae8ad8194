/** The library's names, for all scripts that draw. */
const { html, render, useEffect, useLayoutEffect, useMemo, useRef, useState } = htmPreact;
