// Stands before the script of each view that opens the camera.
const REASONS = {
  insecure: 'Browsers allow the camera only on pages opened by https, or on localhost.',
  NotAllowedError: 'The camera was not allowed: allow it for this page, beside its address, and start again.',
  NotFoundError: 'There is no camera here: connect one and start again.',
  NotReadableError: 'The camera is in use by another program: close that program and start again.',
};

/* From here on the camera plays in a video; where it cannot, an Error says why in a sentence. */
async function openCamera(video) {
  try {
    if (!navigator.mediaDevices) throw {name: 'insecure'};
    video.srcObject = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'environment'}, audio: false});
    await video.play();
  } catch (error) {
    closeCamera(video);
    throw Error(REASONS[error.name] ?? 'The camera cannot be opened: check it and start again.');
  }
}

function closeCamera(video) {
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
}
