// A row of a batch, large; arrow keys go to the rows beside it, as they are sorted and filtered. Runs with `element`,
// `props`, `trigger` and `watch` of gr.HTML.
const find = (what) => element.querySelector(what);

const rowOf = (number) => document.querySelector(`#batch-result tr[data-row="${number}"]`);

function step(by) {
  const rows = [...document.querySelectorAll('#batch-result tbody tr[data-row]:not([hidden])')];
  const next = rows[rows.indexOf(rowOf(find('dialog').dataset.row)) + by];
  if (next) open(next.dataset.row);
}

let wanted = false;  // an answer that comes once it is closed does not open it again

function open(row) {
  wanted = true;
  find('dialog').dataset.row = row;  // which is read when the call leaves
  props.value = {};  // or the same answer as before would be no change
  trigger('open');
}

function show() {
  const seen = props.value || {}, row = rowOf(seen.row);
  if (!wanted || !row || String(seen.row) !== find('dialog').dataset.row) return;  // another one was asked for meanwhile
  find('h3').textContent = seen.file;
  find('.label').textContent = seen.label && `${seen.label}, by its folder`;
  find('.clean').src = seen.clean;
  find('.overlay').src = seen.overlay;
  find('.score').textContent = seen.score.toFixed(2);
  const verdict = row.querySelector('.says');
  find('p .says').textContent = verdict.textContent;
  find('p .says').className = verdict.className;
  const over = row.lastElementChild.textContent === 'over';
  find('p small').textContent = `${over ? 'over' : 'under'} the threshold`;
  row.scrollIntoView({block: 'nearest'});
  if (!find('dialog').open) find('dialog').showModal();
}

document.addEventListener('batch-row', ({detail}) => open(detail));
watch('value', show);

element.addEventListener('click', ({target}) => {
  const by = target.closest('[data-step]');
  if (by) step(Number(by.dataset.step));
  else if (target.closest('[data-inspect]')) {
    trigger('inspect');
    find('dialog').close();
    document.querySelector('#views [role=tab]').click();
  } else if (target.closest('[data-close]') || target === find('dialog')) find('dialog').close();
});

element.addEventListener('keydown', (event) => {
  const by = {ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1}[event.key];
  if (!by) return;
  event.preventDefault();
  step(by);
});

find('dialog').addEventListener('close', () => {
  wanted = false;
  rowOf(find('dialog').dataset.row)?.querySelector('button').focus();
});
