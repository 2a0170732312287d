/* While a slider is dragged, the browser shows about what the corruption will do; the server's picture and score follow
   on release. And a ramp, which plays a corruption from severity 0 to 5 by itself, through words and good parts. */
(() => {
  const BRIGHTNESS = [0, 0.1, 0.2, 0.3, 0.4, 0.5], CONTRAST = [1, 0.4, 0.3, 0.2, 0.1, 0.05];
  const RADIUS = [0, 3, 4, 6, 8, 10], DEVIATION = [0, 0.08, 0.12, 0.18, 0.26, 0.38];
  const REST = 900;  // milliseconds at every severity of a ramp
  let playing = 0, scored = '';  // the picture that was scored, while the browser's own is shown in its place
  const kinds = () => [...document.querySelectorAll('.sliders [id^=severity-]')].map((one) => one.id.slice(9));
  const range = (kind) => document.querySelector(`#severity-${kind} input[type=range]`);
  const level = (kind) => Number(range(kind)?.value ?? 0);

  function noise() {
    if (document.querySelector('#preview-noise')) return;
    const filters = DEVIATION.map((deviation, severity) => `<filter id="noise-${severity}" x="0" y="0" width="1" height="1">
      <feTurbulence type="fractalNoise" baseFrequency="0.9" numOctaves="2" seed="1"/>
      <feColorMatrix values="${[0, 1, 2].map((c) => [0, 1, 2].map((d) => (c === d ? 6 * deviation : 0)).join(' ') + ` 0 ${-3 * deviation}`).join(' ')} 0 0 0 0 1"/>
      <feComposite in2="SourceGraphic" operator="arithmetic" k1="0" k2="1" k3="1" k4="0"/></filter>`);
    document.body.insertAdjacentHTML('beforeend', `<svg id="preview-noise" width="0" height="0" style="position:absolute" aria-hidden="true">${filters.join('')}</svg>`);
  }

  /* Whether the card is of what the sliders say: where they came back to that, no answer would change it. */
  function isScored() {
    const said = kinds().filter(level).map((kind) => `${kind} ${level(kind)}`).join(', ');
    const title = document.querySelector('#corrupted .tag').textContent;
    return said ? title.split(' · ')[0] === `Corrupted: ${said}` : title.startsWith('Not corrupted');
  }

  function preview() {
    const picture = document.querySelector('#corrupted .pixels'), clean = document.querySelector('#clean .pixels');
    if (!picture || !clean || sideBySide()?.checked) return;
    const card = picture.closest('figure');
    if (!card.classList.contains('previewed')) scored = picture.src;
    card.classList.toggle('previewed', !isScored());
    if (isScored()) {
      picture.src = scored;
      picture.style.filter = '';
      return;
    }
    const scale = picture.clientWidth / (picture.naturalWidth || 1);
    const filters = [];
    if (level('brightness')) filters.push(`brightness(${1 + 1.6 * BRIGHTNESS[level('brightness')]})`);
    if (level('contrast')) filters.push(`contrast(${CONTRAST[level('contrast')]})`);
    if (level('blur')) filters.push(`blur(${(RADIUS[level('blur')] / 2 * scale).toFixed(1)}px)`);
    if (level('noise')) { noise(); filters.push(`url(#noise-${level('noise')})`); }
    picture.src = clean.src;
    picture.style.filter = filters.join(' ');
  }

  document.addEventListener('input', (event) => {
    if (!event.isTrusted || event.target.type !== 'range' || !event.target.closest('.sliders [id^=severity-]')) return;
    if (playing) end();
    preview();
  });

  function set(kind, severity) {
    const slider = range(kind);
    slider.value = severity;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    slider.dispatchEvent(new PointerEvent('pointerup', {bubbles: true}));
  }

  /* While it is set, the server shows the memory of good parts beside words, if good parts were given. */
  const sideBySide = () => document.querySelector('#side-by-side input');

  function play(mine) {
    playing = mine;
    document.querySelector('#ramp')?.setAttribute('aria-pressed', Boolean(mine));
    if (sideBySide()?.checked !== Boolean(mine)) sideBySide()?.click();
  }

  const end = () => play(0);

  async function shown(kind, severity, mine) {
    const wanted = severity ? `${kind} ${severity}` : 'Not corrupted';
    while (playing === mine && !document.querySelector('#corrupted .tag')?.textContent.includes(wanted)) {
      await new Promise((done) => setTimeout(done, 30));
    }
  }

  /* Plays the corruption that is chosen, or contrast; a second call stops it. */
  async function ramp() {
    const mine = playing ? 0 : Date.now();
    play(mine);
    if (!mine) return;
    const names = kinds(), kind = names.find(level) ?? 'contrast';
    for (const other of names) if (other !== kind && level(other)) set(other, 0);
    for (let severity = 0; severity <= 5 && playing === mine; severity++) {
      set(kind, severity);
      await shown(kind, severity, mine);
      await new Promise((done) => setTimeout(done, REST));
    }
    if (playing === mine) end();
  }

  document.addEventListener('click', (event) => { if (event.target.closest('#ramp')) ramp(); });
  window.severityRamp = {start: ramp, playing: () => playing !== 0};
})();
