// Runs with `element`, `props`, `trigger` and `watch` of gr.HTML.
const find = (what) => element.querySelector(what);
const panel = find('#guess-panel');
const ask = () => { find('.votes').hidden = true; trigger('next'); };
const vote = (said) => { if (!find('.votes').hidden) { find('.votes').hidden = true; trigger('vote', {vote: said}); } };
element.addEventListener('click', (event) => {
  if (event.target.closest('#guess')) { panel.showPopover(); ask(); }
  if (event.target.dataset.vote) vote(event.target.dataset.vote);
  if ('next' in event.target.dataset) ask();
});
watch('value', () => {
  const said = props.value || {};
  if (said.picture) {
    find('h3').textContent = `${said.number}. A ${said.product}: good or damaged?`;
    find('.asked').src = said.picture;
    find('.asked').alt = `A blurred ${said.product}`;
    find('.answer').hidden = true;
    find('.votes').hidden = false;
    find('[data-vote]').focus();
  }
  if (said.truth) {
    find('.answer p').textContent = said.truth;
    find('.answer').className = `answer ${said.right ? 'right' : 'wrong'}`;
    find('.answer ul').replaceChildren(...said.methods.map((line) => Object.assign(document.createElement('li'), {textContent: line})));
    find('.tally').textContent = said.tally;
    find('.answer').hidden = false;
    find('[data-next]').focus();
  }
});
