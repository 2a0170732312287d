// The panel of the view Inspect. Runs with `element` of gr.HTML.
const panel = element.querySelector('.camera'), video = element.querySelector('video');
const take = element.querySelector('.take'), status = element.querySelector('[role=status]');

async function open() {
  panel.hidden = false;
  element.querySelector('.close').focus();
  status.textContent = 'The camera is starting …';
  try {
    await openCamera(video);
    take.disabled = false;
    status.textContent = '';
  } catch (error) {
    status.textContent = error.message;
  }
  if (panel.hidden) close();  // before the camera was there
}

function close() {
  if (panel.contains(document.activeElement)) document.querySelector('#webcam-button').focus();
  panel.hidden = take.disabled = true;
  closeCamera(video);
}

function photo() {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext('2d').drawImage(video, 0, 0);
  close();
  canvas.toBlob((blob) => handOver([new File([blob], 'camera.jpg', {type: 'image/jpeg'})]), 'image/jpeg', 0.95);
}

take.addEventListener('click', photo);
element.querySelector('.close').addEventListener('click', close);
document.addEventListener('click', (event) => {
  if (event.target.closest('#webcam-button')) panel.hidden ? open() : close();
});
document.addEventListener('keydown', (event) => { if (event.key === 'Escape' && !panel.hidden) close(); });
document.addEventListener('visibilitychange', () => { if (document.hidden && !panel.hidden) close(); });
new IntersectionObserver(([entry]) => { if (!entry.isIntersecting && !panel.hidden) close(); }).observe(panel);
