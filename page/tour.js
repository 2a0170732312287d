(() => {
  const steps = STEPS;
  let at = -1, hole, box;

  function build() {
    hole = document.createElement('div');
    hole.className = 'tour-hole';
    box = document.createElement('div');
    box.className = 'tour-box';
    box.setAttribute('role', 'dialog');
    box.setAttribute('aria-label', 'Tour');
    box.innerHTML = `<div aria-live="polite"><small></small><h3></h3><p></p></div>
      <div class="tour-buttons"><button type="button" data-move="leave">Leave</button>
      <button type="button" data-move="back">Back</button><button type="button" data-move="next">Next</button></div>`;
    box.addEventListener('click', (event) => moves[event.target.dataset.move]?.());
    document.body.append(hole, box);
  }

  const moves = {
    next: () => (at < steps.length - 1 ? show(at + 1) : leave()),
    back: () => show(Math.max(0, at - 1)),
    leave: () => leave(),
  };

  function show(step) {
    at = step;
    const target = document.querySelector(steps[at].target);
    if (!target?.offsetParent) document.querySelector('#views [role=tab]')?.click();  // another view is open
    box.querySelector('small').textContent = `${at + 1} of ${steps.length}`;
    box.querySelector('h3').textContent = steps[at].title;
    box.querySelector('p').textContent = steps[at].text;
    box.querySelector('[data-move=back]').disabled = at === 0;
    box.querySelector('[data-move=next]').textContent = at === steps.length - 1 ? 'Done' : 'Next';
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    target?.scrollIntoView({block: 'center', behavior: still ? 'auto' : 'smooth'});
    box.querySelector('[data-move=next]').focus({preventScroll: true});
    if (steps[at].does === 'train') document.querySelector('#train')?.click();
    if ((steps[at].does === 'ramp') !== window.severityRamp.playing()) window.severityRamp.start();
  }

  /* Every frame, because the page may scroll, and what is pointed at may move while a training is drawn. */
  function place() {
    if (at < 0) return;
    const rect = document.querySelector(steps[at].target)?.getBoundingClientRect();
    if (rect?.width) {
      const [width, height] = [box.offsetWidth, box.offsetHeight];
      const beside = rect.width < innerWidth / 2 && rect.right + 20 + width < innerWidth;
      const below = rect.bottom + 14 + height < innerHeight;
      const left = beside ? rect.right + 20 : rect.left;
      const top = beside ? rect.top - 6 : below ? rect.bottom + 14 : rect.top - 14 - height;
      Object.assign(hole.style, {left: `${rect.left - 6}px`, top: `${rect.top - 6}px`, width: `${rect.width + 12}px`,
        height: `${rect.height + 12}px`});
      box.style.left = `${Math.max(12, Math.min(left, document.documentElement.clientWidth - width - 12))}px`;
      box.style.top = `${Math.max(12, Math.min(top, innerHeight - height - 12))}px`;
    }
    requestAnimationFrame(place);
  }

  function leave() {
    at = -1;
    if (window.severityRamp.playing()) window.severityRamp.start();
    hole.remove();
    box.remove();
    document.querySelector('#tour')?.focus();
  }

  document.addEventListener('click', (event) => {
    if (!event.target.closest?.('#tour') || at >= 0) return;
    build();
    show(0);
    place();
  });
  document.addEventListener('keydown', (event) => {
    if (at < 0) return;
    if (event.key === 'Escape') leave();
    else if (box.contains(event.target) && event.key === 'ArrowRight') moves.next();
    else if (box.contains(event.target) && event.key === 'ArrowLeft') moves.back();
  });
})();
