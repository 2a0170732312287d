// The result of a batch: sorting, filters, the threshold on the histogram, and which row is opened. Runs with
// `element` and `trigger` of gr.HTML. What depends on the threshold is counted here, so that dragging it is smooth.
let threshold, chosen = 'all', wanted = '';
const one = (what) => element.querySelector(what);
const rows = () => [...element.querySelectorAll('tbody tr[data-row]')];
const score = (row) => Number(row.dataset.score);

// As page/threshold.py does it.
function seenFrom(value) {
  const kept = value * (1 - threshold), lost = threshold * (1 - value);
  return threshold === 0.5 ? value : kept / (kept + lost);
}

function verdictOf(value) {
  const seen = seenFrom(value), read = Number(seen.toFixed(2));  // to two decimals, as it is printed
  const verdict = JSON.parse(one('.result').dataset.verdicts).find(([upper]) => read <= upper)[1];
  return [verdict, verdict === 'undecided' ? 'undecided' : seen > 0.5 ? 'abnormal' : 'normal'];
}

function kindsOf(row) {
  const over = score(row) > threshold, label = row.dataset.label;
  const kinds = ['all', over ? 'over' : 'under'];
  if (label) kinds.push(label === 'normal' ? (over ? 'false-alarm' : 'passed') : over ? 'caught' : 'miss');
  if (row.querySelector('.says.undecided')) kinds.push('undecided');
  return kinds;
}

function count() {
  const counts = {};
  for (const row of rows()) {
    const kinds = kindsOf(row);
    for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1;
    row.hidden = !kinds.includes(chosen) || !row.dataset.file.toLowerCase().includes(wanted);
  }
  for (const place of element.querySelectorAll('[data-count]')) {
    place.textContent = (counts[place.dataset.count] ?? 0).toLocaleString('en');
  }
  const first = rows().find((row) => !row.hidden);  // the one that Tab reaches
  for (const button of element.querySelectorAll('tbody td button')) button.tabIndex = -1;
  if (first) first.querySelector('button').tabIndex = 0;
}

function move(to) {
  threshold = to;
  one('table[style]').style.setProperty('--threshold', threshold);
  one('.histogram').style.setProperty('--threshold', threshold);
  one('.histogram output').textContent = threshold.toFixed(2);
  for (const row of rows()) {
    const [verdict, state] = verdictOf(score(row)), cell = row.querySelector('.says');
    [cell.textContent, cell.className] = [verdict, `says ${state}`];
    row.lastElementChild.innerHTML = score(row) > threshold ? '<b>over</b>' : 'under';
  }
  count();
}

function sort(key, descending) {
  for (const heading of element.querySelectorAll('th[data-sort]')) {
    if (heading.dataset.sort === key) heading.ariaSort = descending ? 'descending' : 'ascending';
    else heading.removeAttribute('aria-sort');
  }
  const sorted = rows().sort((a, b) => a.dataset[key].localeCompare(b.dataset[key], 'en', {numeric: true}));
  one('.rows tbody').append(...(descending ? sorted.reverse() : sorted));
}

function choose(kind) {
  chosen = kind;
  for (const button of element.querySelectorAll('[data-filter]')) {
    button.ariaPressed = String(button.dataset.filter === kind);
  }
  count();
}

const open = (row) => document.dispatchEvent(new CustomEvent('batch-row', {detail: row.dataset.row}));

element.addEventListener('click', ({target}) => {
  const heading = target.closest('th[data-sort]'), filter = target.closest('[data-filter]');
  const row = target.closest('tbody tr[data-row]');
  if (heading) sort(heading.dataset.sort, heading.ariaSort !== 'descending');
  else if (filter) choose(filter.dataset.filter);
  else if (row && one('.filters')) open(row);
});

element.addEventListener('keydown', (event) => {
  const row = event.target.closest?.('tbody tr[data-row]'), step = {ArrowDown: 1, ArrowUp: -1}[event.key];
  if (!row || !step) return;
  event.preventDefault();
  const shown = rows().filter((other) => !other.hidden), next = shown[shown.indexOf(row) + step];
  next?.querySelector('button').focus();
});

element.addEventListener('focusin', ({target}) => {
  if (!target.closest('tbody td button')) return;
  for (const button of element.querySelectorAll('tbody td button')) button.tabIndex = button === target ? 0 : -1;
});

element.addEventListener('input', ({target}) => {
  if (target.type === 'range') move(Number(target.value));
  if (target.type !== 'search') return;
  wanted = target.value.trim().toLowerCase();
  count();
});

element.addEventListener('change', ({target}) => {
  if (target.type === 'range') trigger('threshold');
});

function begin() {
  const result = one('.result');
  if (!result || 'begun' in result.dataset) return;
  result.dataset.begun = '';
  threshold = Number(result.dataset.threshold);
  [chosen, wanted] = ['all', ''];
  one('.histogram').style.setProperty('--threshold', threshold);
  count();
}

new MutationObserver(begin).observe(element, {childList: true, subtree: true});
begin();
