"""Fonts of the system, colours of our own; what the theme can't say is in style.css."""

from pathlib import Path

import gradio as gr

from zsad_core.figures import LINES, scale_gradient

SANS = ("system-ui", "Segoe UI", "Roboto", "Noto Sans", "Liberation Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")

# A slider, or its number, changed by keys is released as well; an image that is pasted or dropped anywhere is taken as
# an upload; where the view Batch is on screen, or the panel of good parts is open, as many files as there are.
HEAD = """<script>
try {  // the theme that was chosen last, unless the address says one
  const theme = localStorage.getItem('theme');
  if (theme && !/[?&]__theme=/.test(location.search)) document.body.classList.toggle('dark', theme === 'dark');
} catch {}
function switchTheme() {
  const dark = document.body.classList.toggle('dark');
  try { localStorage.setItem('theme', dark ? 'dark' : 'light'); } catch {}
}
document.addEventListener('keyup', ({target}) => {
  const changed = /^(range|number)$/.test(target.type) && target.value && target.validity.valid;
  if (changed) target.dispatchEvent(new PointerEvent('pointerup', {bubbles: true}));
});
const handOver = (files, event) => {
  const parts = document.querySelector('#good-parts:popover-open #parts-upload');
  const many = parts ?? document.querySelector('#batch-upload');
  const button = parts || many?.offsetParent ? many : document.querySelector('#upload');
  const input = button?.parentElement.querySelector('input[type=file]');
  const images = [...(files ?? [])].filter((one) => one.type.startsWith('image/'));
  const taken = button === many ? [...(files ?? [])] : images.slice(0, 1);
  if (!taken.length || !input || button.disabled) return;
  event?.preventDefault();
  const transfer = new DataTransfer();
  for (const file of taken) transfer.items.add(file);
  input.files = transfer.files;
  input.dispatchEvent(new Event('change', {bubbles: true}));
};
document.addEventListener('paste', (event) => handOver(event.clipboardData?.files, event));
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => handOver(event.dataTransfer?.files, event));
</script>"""
HEAD += f"<script>{Path(__file__).with_name('lists.js').read_text(encoding='utf-8')}</script>"


def style() -> str:
    """The style sheets, with the colours of maps and charts, which are those of the core's pictures."""
    sheets = "".join(
        path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.css"), reverse=True)
    )
    day = "".join(f"--line-{number}: {line.day}; " for number, line in enumerate(LINES))
    night = "".join(f"--line-{number}: {line.night}; " for number, line in enumerate(LINES))
    lines = "".join(f".line-{number} {{ --colour: var(--line-{number}); }}\n" for number in range(len(LINES)))
    return f"{sheets}:root {{ --scale: {scale_gradient()}; {day}}}\n.dark {{ {night}}}\n{lines}"


class Paper(gr.themes.Base):
    """Paper and ink by day, slate and chalk by night: nothing competes with the colours of the anomaly maps."""

    def __init__(self):
        super().__init__(
            primary_hue=gr.themes.colors.slate,
            neutral_hue=gr.themes.colors.stone,
            font=SANS,
            font_mono=MONO,
            text_size=gr.themes.sizes.text_md,
            spacing_size=gr.themes.sizes.spacing_sm,
            radius_size=gr.themes.sizes.radius_md,
        )
        self.set(
            **_both("body_background_fill", "#f5f2ec", "#11151c"),
            **_both("body_text_color", "#1c2430", "#ece8e0"),
            **_both("body_text_color_subdued", "#5b6472", "#a3adbb"),
            **_both("background_fill_primary", "#fffdf9", "#1a212c"),
            **_both("background_fill_secondary", "#f5f2ec", "#11151c"),
            **_both("block_background_fill", "#fffdf9", "#1a212c"),
            **_both("block_label_background_fill", "transparent", "transparent"),
            **_both("block_label_text_color", "#5b6472", "#a3adbb"),
            **_both("block_title_text_color", "#5b6472", "#a3adbb"),
            **_both("block_info_text_color", "#5b6472", "#a3adbb"),
            **_both("border_color_primary", "#ddd6ca", "#2f3947"),
            **_both("input_background_fill", "#fffdf9", "#141a23"),
            **_both("input_border_color", "#cfc7b9", "#3a4555"),
            **_both("input_border_color_focus", "#1d3f66", "#f2c14e"),
            **_both("input_placeholder_color", "#6f7681", "#8e99a8"),
            **_both("slider_color", "#1d3f66", "#f2c14e"),
            color_accent="var(--strong)",
            **_both("color_accent_soft", "#e3e8ee", "#2b3340"),
            **_both("border_color_accent", "#1d3f66", "#f2c14e"),
            **_both("link_text_color", "#1d3f66", "#f2c14e"),
            **_both("button_primary_background_fill", "#1d3f66", "#f2c14e"),
            **_both("button_primary_background_fill_hover", "#16314f", "#ffd473"),
            **_both("button_primary_text_color", "#ffffff", "#171307"),
            **_both("button_secondary_background_fill", "#ece6da", "#27303d"),
            **_both("button_secondary_background_fill_hover", "#e2dacb", "#313c4b"),
            **_both("button_secondary_text_color", "#1c2430", "#ece8e0"),
            **_both("checkbox_label_background_fill", "transparent", "transparent"),
            **_both("checkbox_label_background_fill_hover", "#ece6da", "#27303d"),
            **_both("checkbox_label_background_fill_selected", "#1d3f66", "#f2c14e"),
            **_both("checkbox_label_text_color_selected", "#ffffff", "#171307"),
            block_border_width="0px",
            input_border_width="1px",
            input_shadow_focus="0 0 0 2px var(--strong)",
            block_shadow="none",
            block_label_text_weight="500",
            block_title_text_weight="500",
            block_padding="0px",
            button_large_text_weight="600",
            button_small_text_weight="500",
            button_large_padding="8px 16px",
            button_small_padding="5px 10px",
            input_padding="8px 10px",
        )


def _both(name: str, light: str, dark: str) -> dict[str, str]:
    return {name: light, f"{name}_dark": dark}
