"""The style sheet of the HTML page. Colours have a contrast of at least 4.5 to 1 in both schemes (WCAG 2.2, 1.4.3)."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--back:#fff;--text:#1f2328;--soft:#59636e;--line:#d1d9e0;--panel:#f6f8fa;
--work:#fff1c2;--work-line:#9a6700;--more:#ddf4ff;--more-line:#0969da;--there:#e6f4ea;--there-line:#1a7f37;
--bad:#ffebe9;--bad-line:#cf222e}
@media (prefers-color-scheme:dark){:root{--back:#0d1117;--text:#e6edf3;--soft:#9198a1;--line:#3d444d;--panel:#151b23;
--work:#3a2d05;--work-line:#d29922;--more:#0c2d6b;--more-line:#4493f8;--there:#12301c;--there-line:#3fb950;
--bad:#4b1113;--bad-line:#f85149}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1.5rem;background:var(--back);color:var(--text);
font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .5rem}
h2{font-size:1.15rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}
.brand{margin:0;color:var(--soft)}
.saved{font-weight:600}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto}
.wide:focus-visible,pre:focus-visible{outline:2px solid var(--more-line);outline-offset:2px}
table{border-collapse:collapse;min-width:100%}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{border:1px solid var(--line);padding:.3rem .6rem;text-align:left;vertical-align:top}
thead th{background:var(--panel)}
tbody th{font-weight:400}
code,pre,svg text{font-family:ui-monospace,monospace}
code{font-size:.875em;overflow-wrap:anywhere}
pre{background:var(--panel);border:1px solid var(--line);padding:.75rem;overflow:auto;font-size:.8125rem}
.state{border:1px solid var(--soft);border-radius:1rem;padding:0 .5rem;white-space:nowrap}
.build,.built,.reused{background:var(--work);border-color:var(--work-line);fill:var(--work);stroke:var(--work-line)}
.complete,.completed{background:var(--more);border-color:var(--more-line);fill:var(--more);stroke:var(--more-line)}
.skip,.skipped{background:var(--there);border-color:var(--there-line);fill:var(--there);stroke:var(--there-line)}
.failed,.blocked{background:var(--bad);border-color:var(--bad-line);fill:var(--bad);stroke:var(--bad-line)}
figure{margin:0}
figcaption{color:var(--soft)}
svg{display:block}
svg text{fill:var(--text);font-size:12px}
svg .told,.axis text{font-size:11px}
.axis text{fill:var(--soft)}
.box{stroke-width:1.5}
.bar.later{stroke-dasharray:3 2}
.edges path{fill:none;stroke:var(--soft);stroke-width:1.2}
.axis line{stroke:var(--line)}
@media print{.wide{overflow:visible}}
"""
