/* Stage mode: one key, large type; a training fills the screen, then the result does. See stage.py. */
(() => {
  const $ = (name) => document.querySelector(name);
  const on = () => document.body.classList.contains('stage-mode');
  const PAUSE = 1600;  // milliseconds that a finished training stays across the screen

  function toggle() {
    const now = !on();  // gradio puts its own container before every rule: the class must be inside of it as well
    for (const element of [document.body, $('.contain > .column')]) element.classList.toggle('stage-mode', now);
    $('.stage-keys').hidden = !on();
    $('.stage-code').hidden = true;
    if (!on()) window.trainingShow.enlarge(false);
    window.dispatchEvent(new Event('resize'));
  }

  function code() {
    if ($('.stage-code b').textContent) $('.stage-code').hidden = !$('.stage-code').hidden;
    else $('.stage-keys').dispatchEvent(new Event('code', {bubbles: true}));
  }

  function next() {
    const buttons = [...document.querySelectorAll('#samples button')];
    const at = buttons.findIndex((one) => one.getAttribute('aria-pressed') === 'true');
    const button = buttons[(at + 1) % buttons.length];
    button.click();
    button.scrollIntoView({block: 'nearest', inline: 'center'});
  }

  const keys = {
    s: toggle, q: code, n: next, t: () => $('#train').click(), p: () => window.severityRamp.start(),
    r: () => { window.trainingShow.enlarge(true); window.trainingShow.replay(); },
    v: () => { window.trainingShow.enlarge(true); $('#live .photo').click(); },
    g: () => $('#guess')?.click(),
    d: () => $($('#stage').dataset.drawing ? '#draw-tools [data-does=close]' : '#draw').click(),
    escape: () => { if (on()) $('.stage-code').hidden ? toggle() : code(); },
  };

  document.addEventListener('keydown', (event) => {
    const typing = event.target.matches?.('textarea, select, [contenteditable], input:not([type=range], [type=radio], [type=checkbox])');
    if (event.ctrlKey || event.metaKey || event.altKey || typing || event.repeat) return;
    const over = $('#live')?.classList.contains('large') || $('#stage').dataset.drawing || $('#guess-panel:popover-open');
    if (event.key === 'Escape' && over) return;  // it closes that first
    const main = $('#product')?.offsetParent || $('#live')?.offsetParent;
    const does = keys[event.key.toLowerCase()];
    if (!does || !main || (!on() && !['s', 'p'].includes(event.key.toLowerCase()))) return;
    event.preventDefault();
    does();
  });
  document.addEventListener('training', () => { if (on()) window.trainingShow.enlarge(true); });
  document.addEventListener('played', () => {
    if (on()) setTimeout(() => { if (on()) window.trainingShow.enlarge(false); }, PAUSE);
  });
  window.stageMode = {show: () => {
    $('.stage-keys').hidden = !on();
    $('.stage-code').hidden = !$('.stage-code b').textContent;
  }, toggle};
})();
