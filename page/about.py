"""The view About: the method in one picture, what the numbers mean, limits, licences, citation."""

from page.scale import score_scale
from zsad_core.backbone import Backbone
from zsad_core.benchmark.published import POSTER, POSTER_AEBAD

METHOD = """<svg class="method" viewBox="0 0 1160 250" role="img" aria-labelledby="method-title">
<title id="method-title">Prompts of learnable and frozen words go through the text encoder; a feed-forward network
learns to tell normal from abnormal on their text vectors and is then applied to image vectors.</title>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>
<text class="step" x="1" y="18">1  Train on words, without any image</text>
<g class="words"><rect class="diversity" x="1" y="32" width="134" height="34"/><text x="68" y="54">diversity</text>
<rect class="distribution" x="143" y="32" width="134" height="34"/><text x="210" y="54">distribution</text>
<rect class="frozen normal" x="285" y="32" width="166" height="34"/><text x="368" y="54">metal nut.</text>
<rect class="diversity" x="1" y="74" width="134" height="34"/><text x="68" y="96">diversity</text>
<rect class="distribution" x="143" y="74" width="134" height="34"/><text x="210" y="96">distribution</text>
<rect class="frozen abnormal" x="285" y="74" width="166" height="34"/><text x="368" y="96">damaged metal nut.</text>
<text class="note" x="68" y="127">learned: spread</text><text class="note" x="210" y="127">learned: guided</text>
<text class="note" x="368" y="127">frozen: keeps the meaning</text></g>
<path class="arrow" d="M458 70H506"/><g class="box"><rect x="512" y="40" width="130" height="60"/>
<text x="577" y="66">Text encoder</text><text class="small" x="577" y="86">CLIP, frozen</text></g>
<path class="arrow" d="M642 70H682"/>
<g class="cloud"><circle class="normal" cx="712" cy="54" r="6"/><circle class="normal" cx="734" cy="88" r="6"/>
<circle class="normal" cx="704" cy="92" r="6"/><circle class="normal" cx="732" cy="38" r="6"/>
<path class="abnormal" d="M784 40l7 12h-14zM808 76l7 12h-14zM772 80l7 12h-14zM816 44l7 12h-14z"/></g>
<text class="note" x="760" y="127" text-anchor="middle">text vectors in the joint space</text>
<path class="arrow" d="M840 70H894"/><text class="note" x="866" y="60" text-anchor="middle">trains</text>
<g class="box strong"><rect x="900" y="40" width="112" height="200"/><text x="956" y="138">FNN</text>
<text class="small" x="956" y="158">used for both</text></g>
<text class="step" x="1" y="168">2  Score images, clean or corrupted</text>
<g class="photo"><rect x="326" y="180" width="84" height="60"/><path d="M326 224l26-22 20 14 16-12 22 20v16h-84z"/></g>
<path class="arrow" d="M418 210H506"/><g class="box"><rect x="512" y="180" width="130" height="60"/>
<text x="577" y="206">Image encoder</text><text class="small" x="577" y="226">CLIP, frozen</text></g>
<path class="arrow" d="M642 196H894"/><text class="note" x="768" y="188" text-anchor="middle">image vector</text>
<path class="arrow" d="M642 226H894"/><text class="note" x="768" y="218" text-anchor="middle">dense vectors</text>
<path class="arrow" d="M1012 196H1056"/><text class="result" x="1066" y="202">score</text>
<path class="arrow" d="M1012 226H1056"/><text class="result" x="1066" y="232">map</text></svg>"""


def about(backbone: Backbone) -> str:
    """The view as HTML."""
    return f"""<article class="about"><div class="wide" tabindex="0" role="group" aria-label="The method">{METHOD}</div>
<div class="columns"><section><h2>The poster’s table</h2>{_poster_table()}</section>
<section><h2>What the numbers mean</h2>
{score_scale()}
<p><b>Score</b>: the network’s answer for the whole image and for the hottest places of the map, in equal parts. At 0.5
a picture among our rendered images is as likely good as damaged. It is not a defect rate, and 0.5 is not tuned to your
product.</p>
<p><b>Good parts</b>: all of this is zero-shot, until you give photos of good parts. Then pictures are held against
them as well, and the verdict turns a little above what these parts score among each other. Every such score says
so.</p>
<p><b>Map</b>: the same network, applied at every place in the image. Its hottest places have the value of the score.
All images share one fixed colour scale. Below 0.5 it is clear, so a normal image looks unchanged.</p>
<p><b>Mean |cos|</b>: how alike the prompts of the diversity words are. 1 means all the same, 0 all different.</p>
<p><b>Held-back sentences</b>: sentences with words and templates that training never saw. The share that the detector
gets right shows how good it is, without any image.</p>
<p><b>Severity</b>: 1 to 5 as in ImageNet-C; 0 leaves the image unchanged.</p></section>
<section><h2>Limits</h2>
<p>The text encoder reads English and knows only what it was trained on. It fails on rare products, and on defects that
only a drawing or a count would reveal. Threads, prints and natural cracks of an intact product may look like
damage.</p>
<p>This page runs on <b>{backbone.name}</b>, which sees each image at {backbone.image_size} × {backbone.image_size}
pixels and misses what is smaller than a few of them. Do not rely on it where safety is at stake.</p>
<p>Your photos, good parts and detectors stay in this server’s memory and temporary files. They are deleted within about
two hours of your visit.</p>
<h2>Licences</h2><p>The program, the embedded backbone and the sample images, which we rendered, are under MIT. The
embedded backbone builds on EfficientNet-Lite2 (Apache-2.0) and on CLIP’s list of word pieces (MIT). Public CLIP weights
have licences of their own.</p>
</section>
<section><h2>Source and citation</h2>
<p>This page makes the poster’s method work. Where the poster gives no details, the choices are ours.</p>
<pre tabindex="0">@misc{{gao-zsad,
  title  = {{Towards Better Zero-Shot Anomaly
            Detection under Distribution
            Shift with CLIP}},
  author = {{Gao, Jiyao and He, Chengxin and
            Duan, Lei and Zuo, Jie}},
  note   = {{Poster, Sichuan University}}
}}</pre>
<p>It builds on PromptStyler (Cho et al., ICCV 2023), RWDA (Tamura, BMVC 2023) and WinCLIP (Jeong et al., CVPR 2023);
corruptions after Hendrycks and Dietterich (ICLR 2019).</p></section></div></article>"""


METHODS = {
    "maeday": "MAEDAY",
    "acr": "ACR",
    "clip": "CLIP",
    "clip-ac": "CLIP-AC",
    "rwda": "RWDA",
    "winclip": "WinCLIP",
    "anomalyclip": "AnomalyCLIP",
    "ours": "the poster’s method",
}


def _poster_table() -> str:
    """The figures that the poster prints, which nobody here could check."""
    rows = []
    for name, title in METHODS.items():
        figures = [POSTER_AEBAD.get(name)]
        for dataset in POSTER.values():
            *_, corrupted, clean = dataset[name]
            figures += [corrupted, clean]
        cells = "".join(f"<td>{'–' if figure is None else f'{figure:.1f}'}</td>" for figure in figures)
        rows.append(f'<tr class="{name}"><th scope="row">{title}</th>{cells}</tr>')
    return f"""<table class="figures"><caption>Image AUROC, percent, as printed on the poster; corrupted is the mean of
brightness, contrast, blur and noise at severity 3. It was not measured here: what was is in docs/results.md.</caption>
<thead><tr><td></td><th>AeBAD</th><th>MVTec, corrupted</th><th>clean</th><th>VisA, corrupted</th><th>clean</th></tr>
</thead>
<tbody>{"".join(rows)}</tbody></table>"""
