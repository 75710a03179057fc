"""The look of the report page. One column, one accent; light and dark by the reader's system; fit to be printed."""

from drivetrain.charts.chart import DARK, LIGHT


def _variables(palette: object) -> str:
    names = ("surface", "ink", "muted", "grid", "accent", "warning")
    return "".join(f"--{name}:{getattr(palette, name)};" for name in names)


CSS = (
    f"""
:root{{color-scheme:light dark;{_variables(LIGHT)}--page:#f6f7f9;--code:#f1f3f6;--edge:#1c243052}}
@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}--page:#0e1116;--code:#0e1116;--edge:#e8ecf140}}}}
"""
    + """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,
'Helvetica Neue',Arial,'DejaVu Sans',sans-serif}
main{max-width:840px;margin:0 auto;padding:48px 24px 72px}
header{margin-bottom:28px}
.kind{color:var(--muted);font-size:14px;margin:0 0 6px}
h1{font-size:32px;line-height:1.2;letter-spacing:-.015em;margin:0;overflow-wrap:anywhere}
h2{font-size:20px;line-height:1.3;letter-spacing:-.005em;margin:0 0 12px}
h3{font-size:15px;margin:24px 0 8px}
p{margin:0 0 12px;max-width:68ch}
.lead{font-size:21px;line-height:1.4;margin:0 0 8px}
.lead strong{color:var(--accent);font-weight:650}
.small{color:var(--muted);font-size:14px}
section{background:var(--surface);border:1px solid var(--grid);border-radius:10px;padding:24px;margin:0 0 16px}
section>:last-child{margin-bottom:0}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:14px;margin-top:16px}
a{color:var(--accent);text-underline-offset:3px;text-decoration-thickness:1px}
figure.chart{margin:0 0 16px}
figure.chart figcaption{color:var(--muted);font-size:14px;margin-bottom:4px}
.scroll{overflow-x:auto;margin:0 0 12px;background:linear-gradient(90deg,var(--surface) 40%,transparent) 0 0/48px 100%,
linear-gradient(270deg,var(--surface) 40%,transparent) 100% 0/48px 100%,
linear-gradient(90deg,var(--edge),transparent) 0 0/14px 100%,linear-gradient(270deg,var(--edge),transparent) 100% 0/14px 100%;
background-repeat:no-repeat;background-attachment:local,local,scroll,scroll}
.scroll table{margin:0}figure.chart:last-child{margin:0}
table{border-collapse:collapse;font-size:14.5px;line-height:1.4;font-variant-numeric:tabular-nums;width:100%;margin:0 0 12px}
th{color:var(--muted);font-weight:500;font-size:13px;vertical-align:bottom;white-space:nowrap}
th,td{padding:7px 16px 7px 0;border-bottom:1px solid var(--grid);vertical-align:top}
th:last-child,td:last-child{padding-right:0}
tbody tr:last-child td{border-bottom:0}
td{overflow-wrap:anywhere}
.scroll td{overflow-wrap:break-word}td[style*="right"]{white-space:nowrap}
.settings td:first-child{color:var(--muted);width:34%;min-width:120px}
ul.plain{list-style:none;margin:0 0 12px;padding:0}
ul.plain li{padding:10px 0;border-bottom:1px solid var(--grid);overflow-wrap:anywhere}
ul.plain li:last-child{border-bottom:0}
.tag{display:inline-block;font-size:12px;font-weight:600;line-height:1;padding:4px 7px;border-radius:4px;margin-right:8px;
border:1px solid var(--muted);color:var(--muted)}
.tag.strong{border-color:var(--warning);color:var(--warning)}
details{margin:0 0 12px}summary{cursor:pointer;color:var(--accent);font-size:14px;margin-bottom:8px}
.note{border-left:3px solid var(--warning);padding:2px 0 2px 14px;margin:16px 0 0;overflow-wrap:anywhere}
pre.text{white-space:pre-wrap;overflow-wrap:anywhere}
pre{background:var(--code);border:1px solid var(--grid);border-radius:6px;padding:12px 14px;margin:0 0 14px;overflow-x:auto;
font:13.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:.92em}
footer{color:var(--muted);font-size:13px;margin-top:24px}
@media (max-width:520px){main{padding:28px 12px 48px}section{padding:18px 14px;border-radius:8px}h1{font-size:26px}
.lead{font-size:18px}th,td{padding-right:12px}td[style*="right"]{white-space:normal}
.columns thead{display:none}.columns tr{display:block;padding:8px 0;border-bottom:1px solid var(--grid)}
.columns td{display:inline;border:0;padding:0 10px 0 0}.columns td:first-child{font-weight:600}
.columns td:nth-child(3):not(:empty)::after{content:" missing"}.columns td:last-child{display:block;color:var(--muted)}}
@media print{:root{--page:#fff}body{font-size:11pt}main{max-width:none;padding:0}section{border:0;padding:0 0 18pt;margin:0}
nav{display:none}h2,h3,p:has(+pre){break-after:avoid}figure,tr,li,pre{break-inside:avoid}pre{white-space:pre-wrap}@page{margin:18mm}}
"""
)
