// One frame is on its way at a time: the next is taken from the camera or the video only when the answer is here, so that
// a slow server drops frames and never lags behind. Runs with `element`, `props`, `trigger` and `watch` of gr.HTML, and
// after camera.js.
const find = (what) => element.querySelector(what);
const LONGEST_RUN = 5 * 60 * 1000, PATIENCE = 20 * 1000;  // milliseconds
const MOST_BYTES = 500e6, MOST_SECONDS = 300, MOST_PIXELS = 4096 * 2304;  // of a video
const REST = {camera: 'Start the camera', file: 'Play a video file'}, OFF = {camera: 'The camera is off', file: 'The video is off'};
let source = '', paused = false, onItsWay = 0, number = 0, sentAt = 0, begun = 0, waiting = null, paces = [];  // source: a key of REST
const canvas = document.createElement('canvas'), scored = document.createElement('canvas'), video = find('video');

function say(words) { find('[role=status]').textContent = words; }

/* What is called `open` makes the video play, or throws an Error with a sentence. */
async function start(wanted, open) {
  if (source) stop('');
  for (const name in REST) find(`.${name}`).disabled = true;
  try {
    await open();
  } catch (error) {
    stop(error.message);
    return;
  }
  source = wanted;
  find('.frame').style.setProperty('--ratio', video.videoWidth / video.videoHeight);
  for (const name in REST) find(`.${name}`).disabled = false;
  find('.pause').hidden = false;
  find(`.${source}`).textContent = source === 'camera' ? 'Stop the camera' : 'Stop the video';
  say('Live. Frames are scored and forgotten.');
  find('.tag').hidden = true;
  find('.map').removeAttribute('src');
  find('.corrupted').hidden = true;
  pause(false);
  if (!find('.live').offsetParent || document.hidden) leave();  // meanwhile
}

function stop(words) {
  closeCamera(video);
  if (video.src) URL.revokeObjectURL(video.src);
  video.removeAttribute('src');
  video.load();
  clearTimeout(waiting);
  number += 1;  // an answer that is still to come is to nothing
  keep('Past, the last frame:');
  source = '';
  find('.pause').hidden = true;
  for (const name in REST) [find(`.${name}`).disabled, find(`.${name}`).textContent] = [false, REST[name]];
  say(words);
}

function pause(on) {
  paused = on;
  find('.pause').textContent = on ? 'Go on' : 'Pause';
  if (on) {
    video.pause();
    keep('Paused, the last frame:');
    return;
  }
  find('.live').classList.remove('past');
  find('.still').hidden = true;
  [begun, paces] = [performance.now(), []];
  video.play().then(send, () => stop('The picture does not go on: start again.'));
}

/* The last frame that was scored stays, and is marked as past. */
function keep(said) {
  if (find('.tag').hidden) return;
  const still = find('.still');
  [still.width, still.height] = [scored.width, scored.height];
  still.getContext('2d').drawImage(scored, 0, 0);
  still.hidden = false;
  find('.live').classList.add('past');
  find('.tag').textContent = find('.tag').textContent.replace(/^(Live|Paused, the last frame):/, said);
}

function giveUp() {
  onItsWay = 0;
  stop('The server did not answer: start again in a moment.');
}

function send() {
  if (!source || paused) return;
  if (video.ended) return stop('The video is over.');
  if (performance.now() - begun > LONGEST_RUN) return stop('Stopped after five minutes, to leave room for others.');
  clearTimeout(waiting);
  waiting = setTimeout(giveUp, PATIENCE);
  if (onItsWay) return;  // its answer sends the next
  const factor = Math.min(1, props.longest / Math.max(video.videoWidth, video.videoHeight));
  [canvas.width, canvas.height] = [Math.round(video.videoWidth * factor), Math.round(video.videoHeight * factor)];
  canvas.getContext('2d').drawImage(video, 0, 0, canvas.width, canvas.height);
  number += 1;
  sentAt = performance.now();
  onItsWay = number;
  trigger('frame', {frame: canvas.toDataURL('image/jpeg', 0.85), number});
}

watch('value', () => {
  const answer = props.value || {};
  if (!onItsWay || answer.number !== onItsWay) return;  // given up
  onItsWay = 0;
  clearTimeout(waiting);
  if (!source) return;
  if (answer.number !== number) return send();  // stopped meanwhile, and started again
  if (answer.sentence) return stop(answer.sentence);
  const now = performance.now();
  paces = [...paces, now].filter((time) => now - time < 5000);
  [scored.width, scored.height] = [canvas.width, canvas.height];
  scored.getContext('2d').drawImage(canvas, 0, 0);
  find('.capture').hidden = false;
  find('.map').src = answer.map;
  find('.corrupted').hidden = !answer.picture;
  if (answer.picture) find('.corrupted').src = answer.picture;
  find('.tag').textContent = `Live: ${answer.said}`;
  find('.tag').hidden = find('.card').hidden = false;
  find('.card').className = `card ${answer.state}`;
  find('.card').style.setProperty('--threshold', answer.threshold);
  find('.score').textContent = answer.score.toFixed(2);
  find('.verdict b').textContent = answer.verdict;
  find('.scale').style.setProperty('--at', answer.score.toFixed(4));
  const pace = (paces.length - 1) / Math.max(0.001, (now - paces[0]) / 1000);
  find('.pace').textContent = `${pace.toFixed(1)} frames a second, ${Math.round(now - sentAt)} ms from picture to score`;
  if (paused) keep('Paused, the last frame:'); else requestAnimationFrame(send);
});

/* The file stays in this browser, which decodes it; what it cannot, or what is too much, gets a sentence. */
async function openVideo(file) {
  if (file.size > MOST_BYTES) throw Error(`The video has ${Math.round(file.size / 1e6)} MB: choose one of at most ${MOST_BYTES / 1e6} MB.`);
  const known = new Promise((done, failed) => {
    video.onloadeddata = done;
    video.onerror = () => failed(Error(`“${file.name.slice(-60)}” is no video that this browser can play: save it as MP4 (H.264) or WebM.`));
  });
  video.src = URL.createObjectURL(file);
  await known.finally(() => { video.onerror = video.onloadeddata = null; });
  const {duration, videoWidth: width, videoHeight: height} = video;
  if (Number.isFinite(duration) && duration > MOST_SECONDS) {  // where it is not known, LONGEST_RUN ends it
    throw Error(`The video is ${Math.round(duration)} seconds long: cut it to at most ${MOST_SECONDS}.`);
  }
  if (width * height > MOST_PIXELS) throw Error(`The video has ${width} x ${height} pixels: save it with at most 4096 x 2304.`);
  if (!width) throw Error('There is no picture in this file: choose a video.');
}

find('.camera').addEventListener('click', () => (source === 'camera' ? stop(`${OFF.camera}.`) : start('camera', () => openCamera(video))));
find('.file').addEventListener('click', () => (source === 'file' ? stop(`${OFF.file}.`) : find('input').click()));
find('input').addEventListener('change', () => {
  const file = find('input').files[0];
  find('input').value = '';  // so that the same one can be chosen again
  if (file) start('file', () => openVideo(file));
});
find('.pause').addEventListener('click', () => pause(!paused));
find('.capture').addEventListener('click', () => scored.toBlob((blob) => {
  if (source) stop(`${OFF[source]}: the frame is in Inspect.`);
  document.querySelector('#views [role=tab]').click();
  requestAnimationFrame(() => handOver([new File([blob], 'frame.jpg', {type: 'image/jpeg'})]));
}, 'image/jpeg', 0.95));
const leave = () => { if (source) stop(`${OFF[source]}: it was switched off when you left this view.`); };
document.addEventListener('visibilitychange', () => { if (document.hidden) leave(); });
new IntersectionObserver(([entry]) => { if (!entry.isIntersecting) leave(); }).observe(find('.live'));
