/* Plays what training_show.py tells: at least two seconds to watch, a slider to go back, a replay, and a large view. */
(() => {
  const LEAST = 2200, TAIL = 6;  // milliseconds of a whole training; positions behind a dot
  const HEIGHT = 450, ACROSS = 1000;  // of the picture's half, see PICTURE
  let frames = [], told = {}, trail = null, at = 0, live = false, clock = 0, pace = 60, matrix = '';
  const $ = (name) => document.querySelector(`#live ${name}`);
  const escaped = (text) => text.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt()};`);
  const place = ([x, y]) => [x * ACROSS / 1000, y * HEIGHT / 1000];

  function known(number, what) {  // the latest of its kind, up to a frame
    for (let one = number; one >= 0; one--) if (frames[one]?.[what]) return frames[one][what];
    return null;
  }

  function draw() {
    const picture = $('.text-vectors');
    if (!picture || !frames.length) return;
    if (trail) return drawTrail(picture);
    const dots = known(at, 'dots'), near = known(at, 'near'), field = known(at, 'field');
    const size = told.prompts > 40 ? 16 : 22, tails = [];
    for (let back = Math.max(0, at - TAIL); back <= at; back++) if (frames[back].dots) tails.push(frames[back].dots);
    const parts = [];
    if (field) parts.push(`<image href="${field}" x="${-ACROSS}" y="${-HEIGHT}" width="${2 * ACROSS}" height="${2 * HEIGHT}" preserveAspectRatio="none"/>`);
    parts.push(`<path class="plane" d="M0 ${-HEIGHT}V${HEIGHT}"/>`);
    const plain = frames[0].dots;
    if (plain && at > 0) for (const n of [0, told.prompts]) {
      const [x, y] = place(plain[n]);
      parts.push(`<path class="plain" d="M${x - size} ${y}h${2 * size}M${x} ${y - size}v${2 * size}"/>`);
    }
    dots.forEach((dot, number) => {
      const [x, y] = place(dot), abnormal = number >= told.prompts;
      const says = `Prompt ${number % told.prompts + 1}, ${abnormal ? 'abnormal' : 'normal'}` +
        (near ? `. Nearest sentence: “${told.sentences[near[number]]}”` : '. The plain prompt');
      const line = tails.map((step) => place(step[number]).join()).join(' ');
      const shapes = abnormal
        ? `<path d="M${x} ${y - 1.15 * size}l${1.15 * size} ${2 * size}h${-2.3 * size}z"/>`
        : `<circle cx="${x}" cy="${y}" r="${size}"/>`;
      parts.push(`<g class="${abnormal ? 'abnormal' : 'normal'}" data-says="${escaped(says)}">` +
        `<polyline points="${line}"/>${shapes}</g>`);
    });
    picture.innerHTML = `<title>Text vectors: normal and abnormal prompts</title>${parts.join('')}`;
    const slider = $('.play input');
    slider.max = frames.length - 1;
    slider.value = at;
    slider.setAttribute('aria-valuetext', moment(frames[at]));
    picture.dataset.moment = moment(frames[at]);
    const found = known(at, 'matrix');
    if (found && found !== matrix && $('.matrix img')) $('.matrix img').src = matrix = found;
  }

  function drawTrail(picture) {
    const parts = [`<image href="${trail.field}" x="${-ACROSS}" y="${-HEIGHT}" width="${2 * ACROSS}" height="${2 * HEIGHT}" preserveAspectRatio="none"/>`,
      `<path class="plane" d="M0 ${-HEIGHT}V${HEIGHT}"/>`];
    trail.trails.forEach((dots, number) => {
      const places = dots.map(place), own = number === 0 ? ' own' : '';
      parts.push(`<g class="trail${own}"><polyline points="${places.map((one) => one.join()).join(' ')}"/>`);
      places.forEach(([x, y], severity) => parts.push(`<g data-says="${escaped(trail.names[number])}, ${trail.kind} ${severity}">` +
        `<circle cx="${x}" cy="${y}" r="38"/><text x="${x}" y="${y + 17}">${severity}</text></g>`));
      parts.push('</g>');
    });
    const title = `The photo’s vector under ${trail.kind} 0 to 5` + (trail.trails[1] ? '; thin: its twin' : '');
    picture.innerHTML = `<title>${title}</title>${parts.join('')}`;
    picture.dataset.moment = title;
    $('.says').textContent = title;
  }

  function moment(frame) {
    const words = {plain: 'The plain prompts', prompts: `Words, step ${frame.step}`, classifier: `FNN, step ${frame.step}`,
      done: 'Trained'};
    return words[frame.phase];
  }

  function tick(now) {
    if (now - clock >= pace && at < frames.length - 1) {
      clock = now;
      at += 1;
      draw();
    }
    if (at < frames.length - 1 || live) requestAnimationFrame(tick);
    else document.dispatchEvent(new Event('played'));
  }

  function play(from) {
    trail = null;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    pace = LEAST / Math.max(frames.length, 50);
    at = still && !live ? frames.length - 1 : from;
    draw();
    requestAnimationFrame(tick);
  }

  function take(element) {
    const news = JSON.parse(element.dataset.told), done = news.frames.at(-1)?.phase === 'done';
    const again = news.from === 0 && !(done && live);  // another training, or one that was not watched
    told = news;
    frames = news.from === 0 ? news.frames : [...frames.slice(0, news.from), ...news.frames];
    if (again && done) {  // nobody watched it: what it has become
      live = false;
      trail = null;
      at = frames.length - 1;
      draw();
    } else if (again) {
      document.dispatchEvent(new Event('training'));
      live = true;
      matrix = '';
      play(0);
    }
    if (done) live = false;
  }

  function start() {
    const root = document.querySelector('#live');
    if (!root) return void setTimeout(start, 50);
    let last = null;
    const look = () => {
      const element = root.querySelector('.frames');
      if (element && element.dataset.told !== last) {
        last = element.dataset.told;
        take(element);
      } else if (matrix && $('.matrix img') && $('.matrix img').getAttribute('src') !== matrix) $('.matrix img').src = matrix;
    };
    new MutationObserver(look).observe(root, {childList: true, subtree: true, attributes: true, attributeFilter: ['data-told']});
    root.addEventListener('input', (event) => {
      if (!event.target.closest('.play')) return;
      at = Number(event.target.value);
      trail = null;
      draw();
    });
    root.addEventListener('click', (event) => {
      if (event.target.closest('.again')) { live = false; play(0); }
      if (event.target.closest('.enlarge')) enlarge(!root.classList.contains('large'));
    });
    const say = (event) => { $('.says').textContent = event.target.closest?.('[data-says]')?.dataset.says ?? ''; };
    root.addEventListener('pointerover', say);
    document.addEventListener('keydown', (event) => { if (event.key === 'Escape') enlarge(false); });
    look();
  }

  function enlarge(large) {
    const root = document.querySelector('#live');
    if (!root || root.classList.contains('large') === large) return;
    root.classList.toggle('large', large);
    const button = $('.enlarge');
    button.setAttribute('aria-label', large ? 'Back to the page' : 'Enlarge the training');
    button.focus({preventScroll: true});
  }

  function photo(told) {
    if (!told) return;
    trail = JSON.parse(told);
    draw();
  }

  window.trainingShow = {enlarge, photo, replay: () => play(0)};
  start();
})();
