/* Opens the panel of good parts. For its tab the browser remembers how many a product had, and not the photos: after a
   reload the page says that they are gone. Runs with `element` and `watch` of gr.HTML. */
const arm = () => {
  const panel = document.querySelector('#good-parts');
  if (panel) panel.popover = 'auto'; else requestAnimationFrame(arm);
};
arm();
const had = (() => { try { return JSON.parse(sessionStorage.getItem('good-parts')) || {}; } catch { return {}; } })();
const now = {};
const button = (name, label, does) => {
  const made = Object.assign(document.createElement('button'), {type: 'button', className: name, textContent: label});
  made.addEventListener('click', does);
  return made;
};
const remember = (product, count) => {
  if (count) had[product] = count; else delete had[product];
  try { sessionStorage.setItem('good-parts', JSON.stringify(had)); } catch {}  // a browser may keep nothing
};
const show = () => {
  const {product, count} = element.querySelector('button').dataset;
  if (Number(count) || now[product]) remember(product, Number(count));
  now[product] = Number(count);
  const gone = [product, ...Object.keys(had)].find((name) => had[name] && !now[name]);
  element.querySelector('.gone')?.remove();
  if (!gone) return;
  const note = Object.assign(document.createElement('span'), {className: 'gone', role: 'status'});
  const whose = gone === product ? '' : ` of ${gone}`;
  note.textContent = had[gone] > 1 ? `${had[gone]} good parts${whose} are gone ` : `1 good part${whose} is gone `;
  note.title = 'Good parts are not kept when the page is loaded again';
  const give = () => document.querySelector('#parts-upload').click();
  if (gone === product) note.append(button('again', 'Give again', give));
  const forget = button('forget', '×', () => { remember(gone, 0); show(); });
  forget.setAttribute('aria-label', 'Forget them');
  note.append(forget);
  element.append(note);
};
show();
watch('value', () => requestAnimationFrame(show));
