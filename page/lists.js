/* A list of choices opens on a click, an arrow key or a letter, closes on Escape and when the focus leaves it, and keeps
   the focus when one was chosen by key. Gradio's opens whenever it gets the focus, and again on the Tab that leaves it. */
(() => {
  const list = (event) => event.isTrusted && event.target.closest?.('input[role=combobox]');
  const isOpen = (input) => input.getAttribute('aria-expanded') === 'true';
  const open = (input) => input.dispatchEvent(new FocusEvent('focus'));
  const close = (input) => input.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true}));

  document.addEventListener('focus', (event) => { if (list(event)) event.stopImmediatePropagation(); }, true);
  /* Gradio closes it then, but now and then it opens again in the next frame, on a key from before. */
  const closeUnfocused = (input) => { if (isOpen(input) && document.activeElement !== input) close(input); };
  document.addEventListener('blur', (event) => {
    const input = list(event);
    if (input) for (const later of [0, 100, 300]) setTimeout(() => closeUnfocused(input), later);
  }, true);
  document.addEventListener('click', (event) => {
    const input = list(event);
    if (input) (isOpen(input) ? close : open)(input);
  });
  document.addEventListener('keydown', (event) => {
    const input = list(event), combined = event.ctrlKey || event.metaKey || event.altKey;
    if (!input) return;
    if (/^(Arrow(Up|Down)|Home|End|.)$/.test(event.key) && !combined) {
      event.preventDefault();  // the page would scroll
      if (!isOpen(input)) open(input);
    } else if (event.key === 'Enter' && isOpen(input)) {
      setTimeout(() => input.focus());
    } else if (event.key !== 'Escape') {
      event.stopImmediatePropagation();
    }
  }, true);
})();
