"""How far a run is, in one line over a bar."""

from html import escape


def status_line(what: str, detail: str, share: float, aside: str = "") -> str:
    """As HTML: `what` is being done, `detail` of it, the `share` of it that is done, from 0 to 1."""
    return f"""<div class="status"><b>{escape(what)}</b><span>{escape(detail)}</span>
<span class="left">{escape(aside)}</span>
<progress value="{share:.3f}" max="1" aria-label="{escape(what)}"></progress></div>"""
