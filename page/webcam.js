// One frame is on its way at a time: the next is taken from the camera only when the answer is here, so that a slow
// server drops frames and never lags behind. Runs with `element`, `props`, `trigger` and `watch` of gr.HTML.
const find = (what) => element.querySelector(what);
const LONGEST_RUN = 5 * 60 * 1000, PATIENCE = 20 * 1000;  // milliseconds
const REASONS = {
  NotAllowedError: 'The camera was not allowed: allow it for this page, beside its address, and start again.',
  NotFoundError: 'There is no camera here: connect one and start again.',
  NotReadableError: 'The camera is in use by another program: close that program and start again.',
};
let stream = null, number = 0, sentAt = 0, begun = 0, waiting = null, paces = [];
const canvas = document.createElement('canvas'), scored = document.createElement('canvas');

function say(words) { find('[role=status]').textContent = words; }

async function start() {
  find('button').disabled = true;
  try {
    if (!navigator.mediaDevices) throw {name: 'insecure'};
    stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'environment'}, audio: false});
    const video = find('video');
    video.srcObject = stream;
    await video.play();
    find('.frame').style.setProperty('--ratio', video.videoWidth / video.videoHeight);
  } catch (error) {
    stop(error.name === 'insecure' ? 'Browsers allow the camera only on pages opened by https, or on localhost.'
      : REASONS[error.name] ?? 'The camera cannot be opened: check it and start again.');
    return;
  }
  find('.live').classList.remove('past');
  find('.still').hidden = find('.tag').hidden = true;
  find('.map').removeAttribute('src');
  find('button').disabled = false;
  find('button').textContent = 'Stop the camera';
  say('Live. Frames are scored and forgotten.');
  begun = performance.now();
  paces = [];
  send();
}

function stop(words) {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  clearTimeout(waiting);
  find('video').srcObject = null;
  keep();
  find('button').disabled = false;
  find('button').textContent = 'Start the camera';
  say(words);
}

/* The last frame that was scored stays, and is marked as past. */
function keep() {
  if (find('.tag').hidden) return;
  const still = find('.still');
  [still.width, still.height] = [scored.width, scored.height];
  still.getContext('2d').drawImage(scored, 0, 0);
  still.hidden = false;
  find('.live').classList.add('past');
  find('.tag').textContent = find('.tag').textContent.replace('Live:', 'Past, the last frame:');
}

function send() {
  const video = find('video');
  if (!stream) return;
  if (performance.now() - begun > LONGEST_RUN) return stop('Paused after five minutes, to leave room for others.');
  const factor = Math.min(1, props.longest / Math.max(video.videoWidth, video.videoHeight));
  [canvas.width, canvas.height] = [Math.round(video.videoWidth * factor), Math.round(video.videoHeight * factor)];
  canvas.getContext('2d').drawImage(video, 0, 0, canvas.width, canvas.height);
  number += 1;
  sentAt = performance.now();
  waiting = setTimeout(() => stop('The server did not answer: start again in a moment.'), PATIENCE);
  trigger('frame', {frame: canvas.toDataURL('image/jpeg', 0.85), number});
}

watch('value', () => {
  const answer = props.value || {};
  if (!stream || answer.number !== number) return;  // stopped meanwhile
  clearTimeout(waiting);
  if (answer.sentence) return stop(answer.sentence);
  const now = performance.now();
  paces = [...paces, now].filter((time) => now - time < 5000);
  [scored.width, scored.height] = [canvas.width, canvas.height];
  scored.getContext('2d').drawImage(canvas, 0, 0);
  find('.capture').hidden = false;
  find('.map').src = answer.map;
  find('.tag').textContent = `Live: ${answer.product}`;
  find('.tag').hidden = find('.card').hidden = false;
  find('.card').className = `card ${answer.state}`;
  find('.card').style.setProperty('--threshold', answer.threshold);
  find('.score').textContent = answer.score.toFixed(2);
  find('.verdict b').textContent = answer.verdict;
  find('.scale').style.setProperty('--at', answer.score.toFixed(4));
  const pace = (paces.length - 1) / Math.max(0.001, (now - paces[0]) / 1000);
  find('.pace').textContent = `${pace.toFixed(1)} frames a second, ${Math.round(now - sentAt)} ms from camera to score`;
  requestAnimationFrame(send);
});

find('.capture').addEventListener('click', () => scored.toBlob((blob) => {
  if (stream) stop('The camera is off: the frame is in Inspect.');
  document.querySelector('#views [role=tab]').click();
  requestAnimationFrame(() => handOver([new File([blob], 'frame.jpg', {type: 'image/jpeg'})]));
}, 'image/jpeg', 0.95));
const leave = () => { if (stream) stop('The camera was switched off when you left this view.'); };
find('button').addEventListener('click', () => (stream ? stop('The camera is off.') : start()));
document.addEventListener('visibilitychange', () => { if (document.hidden) leave(); });
new IntersectionObserver(([entry]) => { if (!entry.isIntersecting) leave(); }).observe(find('.live'));
