// A photo from the camera, taken in a dialog.

// A file, or null if the dialog was closed. Rejects if there is no camera, or none may be used.
export async function takePhoto(dialog) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: true });
  const video = dialog.querySelector("video");
  video.srcObject = stream;
  dialog.showModal();
  try {
    return (await pressed(dialog)) ? await photoOf(video) : null;
  } finally {
    dialog.close();
    for (const track of stream.getTracks()) track.stop();
  }
}

// Whether the photo was asked for, when the dialog is done with.
function pressed(dialog) {
  const button = (role) => dialog.querySelector(`[data-role="${role}"]`);
  return new Promise((resolve) => {
    button("snap").onclick = () => resolve(true);
    button("close").onclick = dialog.onclose = () => resolve(false);
  });
}

async function photoOf(video) {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new File([await canvas.convertToBlob()], "");
}
